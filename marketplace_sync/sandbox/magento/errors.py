"""How the shop refuses: a message with placeholders and their values, translated into the store's language."""

from __future__ import annotations

from typing import Any

Parameters = dict[str, Any] | list[Any]

NO_ROUTE = "Request does not match any route."
NO_ENTITY = "The entity that was requested doesn't exist. Verify the entity and try again."
NO_PRODUCT = "The product that was requested doesn't exist. Verify the product and try again."
NOT_AUTHORISED = "The consumer isn't authorized to access %resources."
REQUIRED = '"%fieldName" is required. Enter and try again.'
NOT_SUPPORTED = '"%fieldName" is not supported. Correct the field name and try again.'
WRONG_TYPE = 'The "%value" value\'s type is invalid. The "%type" type was expected. Verify and try again.'
MASKED = "Internal Error. Details are available in Magento log file. Report ID: %1"
NOT_AVAILABLE = "Not all of your products are available in the requested quantity."

_GERMAN = {
    NO_ROUTE: "Die Anfrage passt zu keiner Route.",
    NO_ENTITY: "Die angeforderte Entität existiert nicht. Prüfen Sie die Entität und versuchen Sie es erneut.",
    NO_PRODUCT: "Das angeforderte Produkt existiert nicht. Prüfen Sie das Produkt und versuchen Sie es erneut.",
    NOT_AUTHORISED: "Der Verbraucher ist nicht berechtigt, auf %resources zuzugreifen.",
    REQUIRED: '"%fieldName" ist erforderlich. Eingeben und erneut versuchen.',
    NOT_SUPPORTED: '"%fieldName" wird nicht unterstützt. Korrigieren Sie den Feldnamen und versuchen Sie es erneut.',
    NOT_AVAILABLE: "Nicht alle Ihre Produkte sind in der gewünschten Menge verfügbar.",
}


class Refused(ValueError):
    """The shop says no. `message` may have placeholders for `parameters`. (Magento, errors)"""

    def __init__(
        self,
        status: int,
        message: str,
        parameters: Parameters | None = None,
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.parameters = parameters
        self.errors = errors

    def __str__(self) -> str:
        """The sentence with the values in it, for people."""
        text = self.message
        named = (
            self.parameters.items()
            if isinstance(self.parameters, dict)
            else ((str(place), value) for place, value in enumerate(self.parameters or (), start=1))
        )
        for name, value in named:
            text = text.replace(f"%{name}", str(value))
        details = "; ".join(str(Refused(self.status, **one)) for one in self.errors or ())
        return f"{text} {details}".strip()

    def body(self, locale: str, trace: bool) -> dict[str, Any]:
        """What the caller gets. Only a shop in developer mode says where it happened."""
        message = _GERMAN.get(self.message, self.message) if locale.startswith("de") else self.message
        found: dict[str, Any] = {"message": message}
        if self.errors is not None:
            found["errors"] = self.errors
        if self.parameters is not None:
            found["parameters"] = self.parameters
        if trace:
            found["trace"] = "#0 /var/www/html/vendor/magento/module-webapi/Controller/Rest.php(195)"
        return found


def required(name: str) -> Refused:
    return Refused(400, REQUIRED, {"fieldName": name})


def no_such(name: str, value: Any) -> Refused:
    """An entity by its id; the vendor names field and value."""
    return Refused(404, NO_ENTITY, {"fieldName": name, "fieldValue": value})
