package channels

// Parse reads one record of a listing.
var Parse = parse
