package soql

import (
	"math"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// distanceFunction is the SQL function of the distance in kilometres between two
// points: latitude, longitude, latitude, longitude.
const distanceFunction = "soql_distance"

const (
	earthRadius  = 6371.0088 // kilometres
	milesInAKilo = 0.621371192237334
)

// distance compiles DISTANCE(Place__c, GEOLOCATION(50.7, 7.1), 'km').
func (c *compiler) distance(s *scope, call *Call) operand {
	if len(call.Args) != 3 {
		c.refuse(call.at, CodeMalformed, "DISTANCE takes two locations and a unit")
	}
	unit, ok := call.Args[2].(*Constant)
	if !ok || unit.Literal.Kind != LiteralString || !strings.EqualFold(unit.Literal.Text, "mi") && !strings.EqualFold(unit.Literal.Text, "km") {
		c.refuse(call.Args[2].where(), CodeMalformed, "DISTANCE unit must be 'mi' or 'km'")
	}
	sql := distanceFunction + "(" + c.point(s, call.Args[0]) + "," + c.point(s, call.Args[1]) + ")"
	if strings.EqualFold(unit.Literal.Text, "mi") {
		sql = "(" + sql + "*" + strconv.FormatFloat(milesInAKilo, 'f', -1, 64) + ")"
	}
	return operand{sql: sql, kind: schema.TypeDouble, label: "DISTANCE", scale: 2}
}

// point compiles a location: a field, or GEOLOCATION of two numbers.
func (c *compiler) point(s *scope, v Value) string {
	switch v := v.(type) {
	case *FieldPath:
		loc := s.resolve(v)
		if loc.field.Type != schema.TypeLocation && loc.field.Type != schema.TypeAddress {
			c.refuse(v.at, CodeField, "field '%s' is no location", loc.field.Name)
		}
		at := map[string]string{}
		for _, part := range loc.source.object.Parts(loc.field.Name) {
			at[part.Part] = loc.source.column(part.Name)
		}
		return at["Latitude"] + "," + at["Longitude"]
	case *Call:
		if v.Name == "GEOLOCATION" && len(v.Args) == 2 {
			return c.degrees(v.Args[0], 90) + "," + c.degrees(v.Args[1], 180)
		}
	}
	c.refuse(v.where(), CodeMalformed, "DISTANCE takes a location field or GEOLOCATION(latitude, longitude)")
	return ""
}

func (c *compiler) degrees(v Value, most float64) string {
	if constant, ok := v.(*Constant); ok && constant.Literal.Kind == LiteralNumber {
		if x, err := strconv.ParseFloat(constant.Literal.Text, 64); err == nil && math.Abs(x) <= most {
			return strconv.FormatFloat(x, 'f', -1, 64)
		}
	}
	c.refuse(v.where(), CodeMalformed, "GEOLOCATION takes degrees within %v", most)
	return ""
}

// haversine is the distance over the ground in kilometres.
func haversine(lat1, lon1, lat2, lon2 float64) float64 {
	radians := func(degrees float64) float64 { return degrees * math.Pi / 180 }
	sin2 := func(x float64) float64 { return math.Pow(math.Sin(x/2), 2) }
	h := sin2(radians(lat2-lat1)) + math.Cos(radians(lat1))*math.Cos(radians(lat2))*sin2(radians(lon2-lon1))
	return 2 * earthRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}
