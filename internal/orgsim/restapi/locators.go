package restapi

import (
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const (
	// locatorLife is how long the org keeps a cursor.
	locatorLife = 48 * time.Hour
	// maxLocators bounds memory: each holds the places of a whole result.
	maxLocators = 50
)

// cursor is a result that is being paged through. Its records are those of the
// first page's time; later ones do not show.
type cursor struct {
	id      string
	pages   *record.Pages
	user    salesforce.ID
	batch   int
	expires time.Time
}

// locators keeps the open cursors; the oldest goes when there are too many. Safe
// for concurrent use.
type locators struct {
	now func() time.Time

	mu    sync.Mutex
	last  int
	byID  map[string]*cursor
	order []string
}

func newLocators(now func() time.Time) *locators {
	return &locators{now: now, byID: map[string]*cursor{}}
}

// put stores the cursor on its first page and returns its id.
func (l *locators) put(c *cursor) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.id != "" {
		return c.id
	}
	l.last++
	id, err := salesforce.ParseID(fmt.Sprintf("01gSp0%09d", l.last))
	if err != nil {
		panic(err) // the format is right for every number
	}
	c.id, c.expires = string(id), l.now().Add(locatorLife)
	l.byID[c.id] = c
	l.order = append(l.order, c.id)
	if len(l.order) > maxLocators {
		delete(l.byID, l.order[0])
		l.order = l.order[1:]
	}
	return c.id
}

// get finds a user's cursor that has not expired.
func (l *locators) get(id string, user salesforce.ID) (*cursor, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.byID[id]
	if !ok || c.user != user || l.now().After(c.expires) {
		return nil, false
	}
	return c, true
}
