from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class LiveConfig(AppConfig):
    """The engine as an app of its own: it knows nothing of what it keeps live."""

    name = "collab.live"
    label = "live"
    verbose_name = "Live engine"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models may be imported only now, so these imports cannot stand above.
        from . import checks  # noqa: F401  (registers the system checks)
        from .sessions import watch_sessions

        watch_sessions()
        # Every installed app may keep its regions in a ``regions`` module, as it
        # keeps its admin in ``admin``. This app's own is the engine's.
        autodiscover_modules("regions")
