from django.apps import AppConfig


class CollabConfig(AppConfig):
    """The document workspace that stands on the live engine."""

    name = "collab"
    verbose_name = "Collab"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Listeners import models, which exist only now.
        from . import listeners  # noqa: F401
