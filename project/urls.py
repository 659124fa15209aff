from django.contrib import admin
from django.urls import include, path

handler400 = "collab.views.errors.bad_request"
handler403 = "collab.views.errors.permission_denied"
handler404 = "collab.views.errors.not_found"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("collab.urls")),
]
