"""The gateway of a zone: Traefik, which gets its routes from here and is kept running from here."""
