"""Receives webhooks: verified over the exact bytes, stored, answered; everything else happens later."""
