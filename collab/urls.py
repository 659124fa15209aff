from django.conf import settings
from django.contrib.auth import views as auth
from django.urls import path

from .forms import ForgottenPasswordForm
from .views import (
    dashboard,
    documents,
    drafts,
    editing,
    exports,
    health,
    history,
    people,
    renaming,
    sharing,
    status,
    trash,
)
from .views.limits import limited

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("active/", dashboard.active, name="active"),
    path("documents/new/", documents.new, name="new"),
    path("documents/export.zip", exports.everything, name="export_all"),
    path("documents/preview/", documents.preview, name="preview"),
    path("documents/<int:pk>/", documents.document, name="document"),
    path("documents/<int:pk>/edit/", editing.edit, name="edit"),
    path("documents/<int:pk>/rename/", renaming.rename, name="rename"),
    path("documents/<int:pk>/pen/", editing.pen, name="pen"),
    path("documents/<int:pk>/watch/", documents.watch, name="watch"),
    path("documents/<int:pk>/draft/", drafts.autosave, name="autosave"),
    path("documents/<int:pk>/drafts/<int:draft>/", drafts.draft, name="draft"),
    path("documents/<int:pk>/history/", history.history, name="history"),
    path("documents/<int:pk>/history/compare/", history.compare, name="compare"),
    path("documents/<int:pk>/history/<int:version>/", history.revision, name="revision"),
    path("documents/<int:pk>/history/<int:old>/<int:new>/", history.comparison, name="comparison"),
    path("documents/<int:pk>/export.md", exports.markdown, name="export_markdown"),
    path("documents/<int:pk>/export.html", exports.page, name="export_html"),
    path("documents/<int:pk>/duplicate/", documents.duplicate, name="duplicate"),
    path("documents/<int:pk>/template/", documents.template, name="template"),
    path("documents/<int:pk>/share/", sharing.share, name="share"),
    path("documents/<int:pk>/trash/", trash.move, name="move_to_trash"),
    path("documents/<int:pk>/<str:slug>/", documents.document, name="document"),
    path("trash/", trash.trash, name="trash"),
    path("trash/<int:pk>/", trash.trashed, name="trashed"),
    path("shared/<str:token>/", sharing.shared, name="shared"),
    path("shared/<str:token>/cover.webp", sharing.shared_cover, name="shared_cover"),
    path("covers/<str:name>", documents.cover, name="cover"),
    path("profile/", people.profile, name="profile"),
    path("profile/sign-out/", people.sign_out_elsewhere, name="sign_out_elsewhere"),
    path("people/", people.directory, name="people"),
    path("people/<int:pk>/", people.account, name="account"),
    path("invitation/<str:token>/", people.invitation, name="invitation"),
    path("status/", status.status, name="status"),
    path("metrics", status.metrics, name="metrics"),
    path("healthz", health.healthz, name="healthz"),
    path("csp-report/", health.csp_report, name="csp_report"),
    path(
        "login/",
        limited("sign_ins")(
            auth.LoginView.as_view(
                template_name="people/login.html", redirect_authenticated_user=True
            )
        ),
        name="login",
    ),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        limited("sign_ins")(people.OwnPassword.as_view()),
        name="password_change",
    ),
    path(
        "password/done/",
        auth.PasswordChangeDoneView.as_view(template_name="people/password_change_done.html"),
        name="password_change_done",
    ),
    path(
        "password/reset/",
        limited("mails")(
            auth.PasswordResetView.as_view(
                template_name="people/password_reset.html",
                email_template_name="people/password_reset_email.txt",
                subject_template_name="people/password_reset_subject.txt",
                # Not from the request: of its Host header the port is anybody's word.
                extra_email_context={"origin": settings.ORIGINS[0]},
            )
        ),
        name="password_reset",
    ),
    path(
        "password/reset/sent/",
        auth.PasswordResetDoneView.as_view(template_name="people/password_reset_sent.html"),
        name="password_reset_done",
    ),
    path(
        "password/reset/<uidb64>/<token>/",
        limited("sign_ins")(
            auth.PasswordResetConfirmView.as_view(
                form_class=ForgottenPasswordForm, template_name="people/password_reset_confirm.html"
            )
        ),
        name="password_reset_confirm",
    ),
    path(
        "password/reset/complete/",
        auth.PasswordResetCompleteView.as_view(template_name="people/password_reset_complete.html"),
        name="password_reset_complete",
    ),
]
