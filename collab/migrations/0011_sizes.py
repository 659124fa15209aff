# What each row takes, computed by the database, so that a person's space is a sum over
# an index. On PostgreSQL the three tables are written anew once. And one more kind of
# event.

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

import collab.models.sizes


class Migration(migrations.Migration):

    dependencies = [
        ('collab', '0010_document_lists'),
    ]

    operations = [
        migrations.AddField(
            model_name='document',
            name='size',
            field=models.GeneratedField(db_persist=True, expression=collab.models.sizes.Bytes('text'), output_field=models.IntegerField()),
        ),
        migrations.AddField(
            model_name='draft',
            name='size',
            field=models.GeneratedField(db_persist=True, expression=collab.models.sizes.Bytes('text'), output_field=models.IntegerField()),
        ),
        migrations.AddField(
            model_name='revision',
            name='cover_bytes',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='revision',
            name='size',
            field=models.GeneratedField(db_persist=True, expression=django.db.models.expressions.CombinedExpression(collab.models.sizes.Bytes('packed'), '+', models.F('cover_bytes')), output_field=models.IntegerField()),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(fields=['author', 'size'], name='document_by_author_size'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(fields=['person', 'size'], name='draft_by_person_size'),
        ),
        migrations.AddIndex(
            model_name='revision',
            index=models.Index(fields=['author', 'size'], name='revision_by_author_size'),
        ),
        migrations.AlterField(
            model_name='securityevent',
            name='kind',
            field=models.CharField(choices=[('signed_in', 'signed in'), ('refused', 'sign-in refused'), ('signed_out', 'signed out'), ('ended', 'signed out everywhere'), ('password', 'password changed'), ('added', 'account made'), ('invited', 'invitation made'), ('joined', 'invitation used'), ('role', 'role changed'), ('active', 'account switched on or off'), ('access', 'access changed'), ('link', 'link made or taken back')], max_length=20, verbose_name='what'),
        ),
        migrations.AlterField(
            model_name='document',
            name='author',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='documents', to=settings.AUTH_USER_MODEL, verbose_name='author'),
        ),
        migrations.AlterField(
            model_name='draft',
            name='person',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='drafts', to=settings.AUTH_USER_MODEL, verbose_name='person'),
        ),
        migrations.AlterField(
            model_name='revision',
            name='author',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='author'),
        ),
    ]
