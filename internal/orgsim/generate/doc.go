// Package generate fills a simulated org with rows that look like a company's:
// names, cities, addresses, dates, amounts, and parents that exist.
//
// It owns what is believable. Rows go in through record.Engine.LoadTyped, so that no
// change events come of them. The invariant: the same seed, object, number and
// state of the org make the same rows, and no address in them is anybody's (all
// domains are under .example, all telephone numbers are 555-01xx).
package generate
