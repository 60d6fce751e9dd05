-- Two roles for the site on PostgreSQL 14 or later: {name}_owner runs `migrate`, {name}_site runs
-- `serve`. Run this with psql as a superuser, connected to the site's database, before the first
-- `migrate`, and again after it.
--
--   psql DATABASE -f grants.sql
--   DATABASE_URL=postgres://{name}_owner@… {program} migrate
--   psql DATABASE -f grants.sql
--   DATABASE_URL=postgres://{name}_site@… {program} serve
--
-- Neither role has a password yet: set them with \password.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{name}_owner') THEN
        CREATE ROLE {name}_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{name}_site') THEN
        CREATE ROLE {name}_site LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO {name}_owner;
GRANT USAGE ON SCHEMA public TO {name}_site;

-- rows only: no TRUNCATE, no REFERENCES, no TRIGGER, no DDL
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}_site;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}_site;
ALTER DEFAULT PRIVILEGES FOR ROLE {name}_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name}_site;
ALTER DEFAULT PRIVILEGES FOR ROLE {name}_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO {name}_site;

-- records that the site only adds to, and the list of migrations
DO $$
BEGIN
    IF to_regclass('palisade_access_report') IS NOT NULL THEN
        REVOKE UPDATE, DELETE ON palisade_access_report FROM {name}_site;
    END IF;
    IF to_regclass('palisade_migrations') IS NOT NULL THEN
        REVOKE INSERT, UPDATE, DELETE ON palisade_migrations FROM {name}_site;
    END IF;
END
$$;
