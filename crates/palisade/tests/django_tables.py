"""Makes Django's own tables, and prints the catalog of those that Palisade shares, in one order."""

import sys
from urllib.parse import urlsplit

TABLES = [
    "auth_group", "auth_group_permissions", "auth_permission", "auth_user", "auth_user_groups",
    "auth_user_user_permissions", "django_content_type", "django_session",
]


def django(database):
    from django.conf import settings
    import django as package

    apps = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
    settings.configure(DATABASES={"default": database}, INSTALLED_APPS=apps, SECRET_KEY="x" * 60, USE_TZ=True)
    package.setup()


def migrate(database):
    from django.core.management import call_command

    django(database)
    call_command("migrate", verbosity=0)


def sqlite(path):
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path}


def connect(url, name):
    import psycopg

    parts = urlsplit(url)
    return psycopg.connect(host=parts.hostname, port=parts.port or 5432, user=parts.username, password=parts.password, dbname=name, autocommit=True)


def postgres(url, name):
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql", "NAME": name, "USER": parts.username, "PASSWORD": parts.password or "",
        "HOST": parts.hostname, "PORT": parts.port or 5432,
    }


def catalog_sqlite(path):
    import sqlite3

    connection = sqlite3.connect(path)
    for table in TABLES:
        # columns with type, not null, default and primary key; the order of columns means nothing to either side
        for row in sorted(connection.execute(f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{table}')")):
            print(table, "column", *row)
        # Palisade's own index on Django's users is named after it
        for name, unique, origin in sorted(connection.execute(f"SELECT name, \"unique\", origin FROM pragma_index_list('{table}') WHERE name NOT LIKE 'palisade%'")):
            columns = [row[0] for row in connection.execute(f"SELECT name FROM pragma_index_info('{name}') ORDER BY seqno")]
            print(table, "index", name, unique, origin, columns)
        for row in sorted(connection.execute(f"SELECT \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list('{table}')")):
            print(table, "foreign key", *row)
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()
        print(table, "deferred", sql.count("DEFERRABLE INITIALLY DEFERRED"), "autoincrement", sql.count("AUTOINCREMENT"))


def catalog_postgres(url, name):
    cursor = connect(url, name).cursor()
    columns = """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity, identity_generation
        FROM information_schema.columns WHERE table_name = ANY(%s) ORDER BY 1, 2"""
    indexes = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) AND indexname NOT LIKE 'palisade%%' ORDER BY 1, 2"
    constraints = """SELECT conrelid::regclass::text, conname, contype::text, condeferrable, condeferred, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid::regclass::text = ANY(%s) AND contype <> 'n' ORDER BY 1, 2"""
    for query in (columns, indexes, constraints):
        for row in cursor.execute(query, [TABLES]):
            print(*row)


def main(command, *arguments):
    if command == "migrate-sqlite":
        migrate(sqlite(*arguments))
    elif command == "user-sqlite":
        path, username, password = arguments
        django(sqlite(path))
        from django.contrib.auth.models import User

        User.objects.create_user(username, "user@example.org", password)
    elif command == "migrate-postgres":
        url, name = arguments
        connect(url, urlsplit(url).path.strip("/")).execute(f'CREATE DATABASE "{name}"')
        migrate(postgres(url, name))
    elif command == "catalog-sqlite":
        catalog_sqlite(*arguments)
    elif command == "catalog-postgres":
        catalog_postgres(*arguments)


main(*sys.argv[1:])
