package pubsub

const (
	millisPerDay = 24 * 60 * 60 * 1000
	// minMillis and maxMillis are the years 0000 to 9999, which is what four
	// digits can show.
	minMillis = -62167219200000
	maxMillis = 253402300799999
)

// appendDateTime writes "2026-08-20T18:31:40.517Z".
func appendDateTime(dst []byte, ms int64) ([]byte, bool) {
	if ms < minMillis || ms > maxMillis {
		return dst, false
	}
	days, rest := floorDay(ms)
	dst = append(dst, '"')
	dst = appendDate(dst, days)
	dst = append(dst, 'T')
	dst = appendClock(dst, rest)
	return append(dst, '"'), true
}

// appendDateOnly writes "2026-08-20".
func appendDateOnly(dst []byte, ms int64) ([]byte, bool) {
	if ms < minMillis || ms > maxMillis {
		return dst, false
	}
	days, _ := floorDay(ms)
	dst = append(dst, '"')
	dst = appendDate(dst, days)
	return append(dst, '"'), true
}

// appendTimeOnly writes "13:45:00.000Z".
func appendTimeOnly(dst []byte, ms int64) ([]byte, bool) {
	if ms < 0 || ms >= millisPerDay {
		return dst, false
	}
	dst = append(dst, '"')
	dst = appendClock(dst, uint32(ms))
	return append(dst, '"'), true
}

func floorDay(ms int64) (days int64, rest uint32) {
	days = ms / millisPerDay
	r := ms % millisPerDay
	if r < 0 {
		days--
		r += millisPerDay
	}
	return days, uint32(r) // below the milliseconds of a day
}

// appendDate writes the day that many days after 1970-01-01 in the Gregorian
// calendar. It counts from 0000-03-01, so that the leap day ends the year, in
// eras of 400 years.
func appendDate(dst []byte, days int64) []byte {
	const (
		toEpoch    = 719468 // days from 0000-03-01 to 1970-01-01
		daysPerEra = 146097
	)
	// One more era keeps January and February of the year 0 positive.
	d := uint32(days + toEpoch + daysPerEra) // the range is checked by the callers
	era, dayOfEra := d/daysPerEra, d%daysPerEra
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	march := (5*dayOfYear + 2) / 153
	day := dayOfYear - (153*march+2)/5 + 1
	year, month := yearOfEra+era*400-400, march+3
	if month > 12 {
		year, month = year+1, month-12
	}
	return append(dst,
		byte('0'+year/1000%10), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-',
		byte('0'+month/10), byte('0'+month%10), '-',
		byte('0'+day/10), byte('0'+day%10))
}

// appendClock writes a time of day: "18:31:40.517Z".
func appendClock(dst []byte, ms uint32) []byte {
	s, ms := ms/1000, ms%1000
	m, s := s/60, s%60
	h, m := m/60, m%60
	return append(dst,
		byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':',
		byte('0'+s/10), byte('0'+s%10), '.',
		byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}
