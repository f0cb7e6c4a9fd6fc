// Package pg is the wire to PostgreSQL: a pool, transactions that know whether
// they were committed, notifications, and migrations.
//
// It speaks no table of anyone; who uses it brings the SQL. The invariant a
// stranger would break: [Pool.Write] reports an error only when nothing was
// committed, or says that it does not know. A connection lost during COMMIT is
// neither a success nor a failure until the server has been asked.
package pg
