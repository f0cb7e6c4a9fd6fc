// Package soql is the query language of a simulated org: a parser to a syntax
// tree, and a compiler from the tree and the org's catalog to one parameterised
// SQLite statement.
//
// It owns the grammar, name resolution, types, date literals and the org's error
// texts. It does not run statements and knows no rows.
//
// Values never become part of the SQL text, only parameters do; names that do
// are the catalog's own spelling, quoted. Null follows SOQL, not SQL: a
// comparison with null is false and its negation is true, so != and NOT IN find
// records without a value.
package soql
