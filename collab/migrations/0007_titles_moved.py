from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('collab', '0006_headings'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='document',
            name='cover',
        ),
        migrations.RemoveField(
            model_name='document',
            name='title',
        ),
        migrations.RemoveField(
            model_name='draft',
            name='title',
        ),
    ]
