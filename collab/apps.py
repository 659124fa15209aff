from django.apps import AppConfig
from django.contrib.admin import apps as django_admin


class CollabConfig(AppConfig):
    """The document workspace that stands on the live engine."""

    name = "collab"
    verbose_name = "Collab"
    default_auto_field = "django.db.models.BigAutoField"
    default = True

    def ready(self) -> None:
        # Listeners import models, which exist only now.
        from . import listeners  # noqa: F401


class AdministrationConfig(django_admin.AdminConfig):
    """Django's administration, with a site of our own."""

    default_site = "collab.administration.Administration"
    default = False
