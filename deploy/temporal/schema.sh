#!/bin/sh
# Creates Temporal's two databases and brings their schemas up to date. Runs in
# the temporalio/admin-tools image before every start; what is there already is
# left alone. The connection comes from SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD
# and SQL_PLUGIN, which temporal-sql-tool reads itself.
set -eu

schemas=${TEMPORAL_SCHEMA_DIR:-/etc/temporal/schema}/postgresql/v12

prepare() {
    temporal-sql-tool --db "$1" create-database --defaultdb postgres
    temporal-sql-tool --db "$1" setup-schema -v 0.0
    temporal-sql-tool --db "$1" update-schema -d "$schemas/$2/versioned"
}

prepare temporal temporal
prepare temporal_visibility visibility
echo "Temporal's databases are ready"
