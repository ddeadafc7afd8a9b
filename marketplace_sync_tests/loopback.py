"""HTTP to servers of this machine: without the world's certificates, which take 20 ms to load for each client."""

from __future__ import annotations

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
