from django.db import migrations


def room_for_tips(apps, schema_editor):
    """Every event rewrites its loan's row (the journal's tip). Half-empty pages let PostgreSQL do it without touching the
    indexes of the table: 7 against 22 microseconds of the server a loan."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE lending_contract SET (fillfactor = 50)")


class Migration(migrations.Migration):
    dependencies = [("lending", "0001_initial")]

    operations = [migrations.RunPython(room_for_tips, migrations.RunPython.noop)]
