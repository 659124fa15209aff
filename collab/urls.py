from django.contrib.auth import views as auth
from django.urls import path

from .views import dashboard, documents, drafts, editing, exports, health, people, trash

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("active/", dashboard.active, name="active"),
    path("documents/new/", documents.new, name="new"),
    path("documents/export.zip", exports.everything, name="export_all"),
    path("documents/preview/", documents.preview, name="preview"),
    path("documents/<int:pk>/", documents.document, name="document"),
    path("documents/<int:pk>/edit/", editing.edit, name="edit"),
    path("documents/<int:pk>/pen/", editing.pen, name="pen"),
    path("documents/<int:pk>/draft/", drafts.autosave, name="autosave"),
    path("documents/<int:pk>/drafts/<int:draft>/", drafts.draft, name="draft"),
    path("documents/<int:pk>/history/", documents.history, name="history"),
    path("documents/<int:pk>/history/<int:version>/", documents.revision, name="revision"),
    path("documents/<int:pk>/export.md", exports.markdown, name="export_markdown"),
    path("documents/<int:pk>/export.html", exports.page, name="export_html"),
    path("documents/<int:pk>/duplicate/", documents.duplicate, name="duplicate"),
    path("documents/<int:pk>/template/", documents.template, name="template"),
    path("documents/<int:pk>/trash/", trash.move, name="move_to_trash"),
    path("documents/<int:pk>/<str:slug>/", documents.document, name="document"),
    path("trash/", trash.trash, name="trash"),
    path("trash/<int:pk>/", trash.trashed, name="trashed"),
    path("covers/<str:name>", documents.cover, name="cover"),
    path("profile/", people.profile, name="profile"),
    path("healthz", health.healthz, name="healthz"),
    path(
        "login/",
        auth.LoginView.as_view(template_name="people/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        auth.PasswordChangeView.as_view(template_name="people/password_change.html"),
        name="password_change",
    ),
    path(
        "password/done/",
        auth.PasswordChangeDoneView.as_view(template_name="people/password_change_done.html"),
        name="password_change_done",
    ),
    path(
        "password/reset/",
        auth.PasswordResetView.as_view(
            template_name="people/password_reset.html",
            email_template_name="people/password_reset_email.txt",
            subject_template_name="people/password_reset_subject.txt",
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
        auth.PasswordResetConfirmView.as_view(template_name="people/password_reset_confirm.html"),
        name="password_reset_confirm",
    ),
    path(
        "password/reset/complete/",
        auth.PasswordResetCompleteView.as_view(template_name="people/password_reset_complete.html"),
        name="password_reset_complete",
    ),
]
