package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// work publishes orders and changes accounts.
func (c *campaign) work() {
	c.t.Helper()
	for range 1 + c.random.IntN(3) {
		c.publish(1 + c.random.IntN(15))
		c.change()
	}
}

// publish publishes orders. Where a campaign refills them, their publisher also keeps
// each as a row, as the Apex package does.
func (c *campaign) publish(n int) {
	c.t.Helper()
	events := make([]map[string]any, n)
	for i := range events {
		key := fmt.Sprintf("O-%02d", c.random.IntN(20))
		c.amounts[key]++
		events[i] = map[string]any{
			"attributes": map[string]string{"type": "Order_Event__e"}, "Order_Number__c": key, "Amount__c": float64(c.amounts[key]),
		}
	}
	after := c.clock()
	ids := c.accounts.enqueued(events)
	before := c.clock()
	if c.refill != fromNowhere {
		c.accounts.keep(ids, events)
	}
	for _, id := range ids {
		c.published = append(c.published, publication{id: id, after: after, before: before})
	}
}

// clock is the org's time.
func (c *campaign) clock() time.Time {
	c.t.Helper()
	var answer struct{ Now time.Time }
	if err := c.org.control(http.MethodGet, "clock", &answer); err != nil {
		c.t.Fatal(err)
	}
	return answer.Now
}

// change creates, updates and deletes accounts. Some change in the same way in one
// transaction: the org merges those into one event, which names all of them.
func (c *campaign) change() {
	c.t.Helper()
	c.made++
	c.live = append(c.live, c.accounts.create(1+c.random.IntN(4), fmt.Sprintf("batch %d", c.made))...)
	for range 1 + c.random.IntN(3) {
		some := c.pick(1 + c.random.IntN(4))
		value := c.random.IntN(1_000_000)
		switch c.random.IntN(6) {
		case 0:
			c.accounts.update(some, "Name", func(i int) any { return fmt.Sprintf("name %d of %d", value, i) })
		case 1:
			c.accounts.update(some, "Phone", func(i int) any { return strconv.Itoa(value + i) })
		case 2:
			c.accounts.update(some, "Phone", func(int) any { return nil })
		case 3:
			c.accounts.update(some, "NumberOfEmployees", func(i int) any { return value + i })
		case 4:
			c.accounts.update(some, "NumberOfEmployees", func(int) any { return value })
		default:
			c.accounts.update(some, "BillingCity", func(i int) any { return fmt.Sprintf("city %d of %d", value, i) })
		}
	}
	if len(c.live) > 8 && c.random.IntN(2) == 0 {
		some := c.pick(1 + c.random.IntN(3))
		c.accounts.remove(some)
		c.gone = append(c.gone, some...)
		c.live = slices.DeleteFunc(c.live, func(id string) bool { return slices.Contains(some, id) })
	}
}

// pick returns at most n accounts that exist, each once.
func (c *campaign) pick(n int) []string {
	some := slices.Clone(c.live)
	c.random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	return some[:min(n, len(some))]
}
