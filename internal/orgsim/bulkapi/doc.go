// Package bulkapi is the Bulk API 2.0 of a simulated org: jobs that write a CSV
// file's rows, and jobs that answer a query with CSV pages.
//
// It owns jobs, their states and files, the CSV forms and the limits of the API.
// It does not own rows, sessions or time: rows are written and read through the
// record engine, as every other API's are, so change events come by themselves.
//
// The invariant: nothing that grows with a file or a result is held in memory.
// Uploads and results live in files below one folder, a job's files go with the
// job and the folder goes with [API.Close]; at most one batch of results is in
// memory at a time.
package bulkapi
