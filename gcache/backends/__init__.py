"""The bundled layers. Import the module of the one you want; none of them is imported here."""
