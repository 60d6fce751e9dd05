"""Everything in the database that is not this site's, as lines: run by `manage.py shell`. SHAPE alone leaves the rows out."""
import os

from django.db import connection

with connection.cursor() as cursor:
    if connection.vendor == "sqlite":
        cursor.execute("SELECT type, name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'palisade%' ORDER BY 1, 2")
        shape = cursor.fetchall()
    else:
        cursor.execute(
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name NOT LIKE 'palisade%' ORDER BY table_name, ordinal_position"
        )
        shape = cursor.fetchall()
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'palisade%' ORDER BY 1")
        shape += cursor.fetchall()
        cursor.execute("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid::regclass::text NOT LIKE 'palisade%' AND connamespace = 'public'::regnamespace ORDER BY 1, 2")
        shape += cursor.fetchall()
    for line in shape:
        name = line[1] if connection.vendor == "sqlite" else line[0]
        print("ours" if name.startswith("palisade") else "shape", name if name.startswith("palisade") else line)
    for table in sorted(connection.introspection.table_names(cursor)):
        if table.startswith("palisade"):
            print("ours", table)
        elif os.environ.get("ROWS") != "0":
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
            for row in cursor.fetchall():
                print(table, row)
