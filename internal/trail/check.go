package trail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// maxFindings bounds the findings of a report; the first ones matter.
const maxFindings = 100

// Finding is one thing that is wrong with a trail.
type Finding struct {
	// Place is that of the entry, or of the last entry of the seal; 0 if it has none.
	Place int64 `json:"place,omitempty"`
	Seal  int64 `json:"seal,omitempty"`
	// What is one line.
	What string `json:"what"`
}

// Report is what was verified, and what was found.
type Report struct {
	Entries int64 `json:"entries"`
	Seals   int64 `json:"seals"`
	// From is the first place that was proven, Since its time; what was before has been
	// removed by retention where From is above 1.
	From  int64     `json:"from"`
	Since time.Time `json:"since,omitzero"`
	// Head is "<place>:<hash>" of the last sealed entry: noted elsewhere, it shows
	// later that the end of the trail was not cut off.
	Head string `json:"head,omitempty"`
	// SignedSince is the place of the first signed seal; 0 if none is, and
	// SignaturesChecked whether there was a key to check with.
	SignedSince       int64     `json:"signed_since"`
	SignaturesChecked bool      `json:"signatures_checked"`
	Unsealed          int64     `json:"unsealed"`
	Findings          []Finding `json:"findings"`
	// Truncated says that there was more to find.
	Truncated bool `json:"truncated,omitempty"`
}

// Intact reports whether nothing was found.
func (r *Report) Intact() bool { return len(r.Findings) == 0 }

// Options are what a verification is held against.
type Options struct {
	// Keys are the public keys of signatures; nil checks none.
	Keys Keys
	// Expect is a head noted earlier: "<place>:<hash>".
	Expect string
	// Overdue is how old an unsealed entry may be; zero means a minute.
	Overdue time.Duration
	// Now is the time to judge that by.
	Now time.Time
}

// checker holds entries and seals against each other as they come: those that a
// seal covers before the seal. It keeps nothing of what has passed.
type checker struct {
	opts Options
	// whole says that every entry comes; otherwise only what is there is checked.
	whole  bool
	report Report

	began    bool
	last     Seal
	place    int64
	hash     []byte
	anchor   int64 // the place that retention has removed up to
	dropped  map[int64]bool
	expected int64
	want     []byte
	met      bool
}

func newChecker(o Options, whole bool) (*checker, error) {
	c := &checker{opts: o, whole: whole, dropped: map[int64]bool{}}
	c.report.Findings = []Finding{}
	c.report.SignaturesChecked = len(o.Keys) > 0
	if o.Expect == "" {
		return c, nil
	}
	var err error
	c.expected, c.want, err = ParseHead(o.Expect)
	return c, err
}

// ParseHead reads a head as a report shows it.
func ParseHead(text string) (place int64, hash []byte, err error) {
	before, after, ok := bytes.Cut([]byte(text), []byte(":"))
	place, err = strconv.ParseInt(string(before), 10, 64)
	if err == nil {
		hash, err = hex.DecodeString(string(after))
	}
	if !ok || err != nil || place < 1 || len(hash) != sha256.Size {
		return 0, nil, fmt.Errorf("%q is not a head: a place, a colon and 64 hexadecimal digits", printable(text))
	}
	return place, hash, nil
}

func (c *checker) find(f Finding) {
	if len(c.report.Findings) >= maxFindings {
		c.report.Truncated = true
		return
	}
	c.report.Findings = append(c.report.Findings, f)
}

// start takes the seal that the rest stands on, after retention has removed what
// it covers.
func (c *checker) start(anchor Seal) {
	c.sealed(anchor)
	c.began = true
	c.last, c.place, c.hash, c.anchor = anchor, anchor.Place, anchor.Hash, anchor.Place
	c.meet(anchor.Place, anchor.Hash)
}

// meet holds what is at a place against the expected head.
func (c *checker) meet(place int64, hash []byte) {
	if place != c.expected || place == 0 {
		return
	}
	c.met = true
	if !bytes.Equal(hash, c.want) {
		c.find(Finding{Place: place, What: "is not what was noted as head"})
	}
}

func (c *checker) entry(e *Entry) {
	if c.report.Entries == 0 {
		c.report.From, c.report.Since = e.Place, e.At
	}
	c.report.Entries++
	c.began = true
	next := e.Place == c.place+1
	switch {
	case c.whole && e.Place > c.place+1:
		c.find(Finding{Place: c.place + 1, What: fmt.Sprintf("%s missing", entries(c.place+1, e.Place-1))})
	case e.Place <= c.place:
		c.find(Finding{Place: e.Place, What: fmt.Sprintf("entry %d is out of its place", e.Place)})
	}
	prev := c.hash
	if !next {
		prev = e.Prev // all that is known of the entry before
	} else if e.Prev != nil && !bytes.Equal(e.Prev, prev) {
		c.find(Finding{Place: e.Place, What: fmt.Sprintf("entry %d does not follow the one before", e.Place)})
	}
	if (next || e.Prev != nil) && !bytes.Equal(e.Link(prev), e.Hash) {
		c.find(Finding{Place: e.Place, What: fmt.Sprintf("entry %d (number %d) was changed, or the one before it", e.Place, e.Number)})
	}
	c.meet(e.Place, e.Hash)
	c.place, c.hash = e.Place, e.Hash
	var b Body
	if err := json.Unmarshal(e.Body, &b); err != nil {
		c.find(Finding{Place: e.Place, What: fmt.Sprintf("entry %d is not readable", e.Place)})
	} else if b.Deed == Dropped {
		c.dropped[b.UpTo] = true
	}
}

// entries names places from one to another.
func entries(from, to int64) string {
	if from == to {
		return fmt.Sprintf("entry %d is", from)
	}
	return fmt.Sprintf("entries %d to %d are", from, to)
}

func (c *checker) seal(s Seal) {
	switch {
	case s.Number > c.last.Number+1:
		c.find(Finding{Seal: s.Number, Place: s.Place, What: fmt.Sprintf("the seals before seal %d, from %d, are missing", s.Number, c.last.Number+1)})
	case s.Number <= c.last.Number:
		c.find(Finding{Seal: s.Number, Place: s.Place, What: fmt.Sprintf("seal %d is out of its place", s.Number)})
	case !bytes.Equal(s.Prev, c.last.Digest):
		c.find(Finding{Seal: s.Number, Place: s.Place, What: fmt.Sprintf("seal %d does not follow seal %d", s.Number, c.last.Number)})
	case s.Place <= c.last.Place:
		c.find(Finding{Seal: s.Number, Place: s.Place, What: fmt.Sprintf("seal %d covers nothing", s.Number)})
	}
	c.sealed(s)
	switch {
	case c.whole && c.place < s.Place:
		c.find(Finding{Seal: s.Number, Place: c.place + 1, What: entries(c.place+1, s.Place) + " missing"})
		c.place, c.hash = s.Place, s.Hash
	case c.place == s.Place && !bytes.Equal(c.hash, s.Hash):
		c.find(Finding{Seal: s.Number, Place: s.Place, What: fmt.Sprintf("seal %d was made of other entries", s.Number)})
	}
	c.last = s
}

// sealed checks a seal by itself.
func (c *checker) sealed(s Seal) {
	c.report.Seals++
	c.report.Head = fmt.Sprintf("%d:%x", s.Place, s.Hash)
	if !bytes.Equal(s.digest(), s.Digest) {
		c.find(Finding{Seal: s.Number, Place: s.Place, What: fmt.Sprintf("seal %d was changed", s.Number)})
	}
	switch unsigned := s.Key == "" && len(s.Signature) == 0; {
	case !unsigned:
		if c.report.SignedSince == 0 {
			c.report.SignedSince = s.Place
		}
		if why := c.opts.Keys.fault(s.Key, s.signed(), s.Signature); len(c.opts.Keys) > 0 && why != "" {
			c.find(Finding{Seal: s.Number, Place: s.Place, What: fmt.Sprintf("seal %d %s", s.Number, why)})
		}
	case c.report.SignedSince > 0:
		c.find(Finding{Seal: s.Number, Place: s.Place, What: fmt.Sprintf("seal %d is not signed, but earlier ones are", s.Number)})
	}
}

// end concludes, after the last seal.
func (c *checker) end() {
	if c.whole && c.anchor > 0 && !c.dropped[c.anchor] {
		c.find(Finding{Place: c.anchor, What: fmt.Sprintf("the trail begins after entry %d, and no entry says that retention removed what was before", c.anchor)})
	}
	if len(c.opts.Keys) > 0 && c.report.Seals > 0 && c.report.SignedSince == 0 {
		c.find(Finding{What: "no seal is signed"})
	}
	switch {
	case c.expected == 0 || c.met || !c.whole:
	case c.expected > c.place:
		c.find(Finding{Place: c.expected, What: fmt.Sprintf("the trail ends at entry %d, before the head that was noted: its end is missing", c.place)})
	}
}

// printable makes text from outside fit for one line of output.
func printable(text string) string {
	if len(text) > 80 {
		text = text[:80] + "..."
	}
	quoted := strconv.QuoteToASCII(text)
	return quoted[1 : len(quoted)-1]
}
