package cometd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sync"
)

// names remembers which event a schema is of. Topics of one kind of event do not
// need it; on a custom channel of platform events nothing else tells the kind.
type names struct {
	mu   sync.Mutex // guards list
	list map[string]string
}

// maxNames bounds the memory: a channel has at most 50 events, each with a
// schema per change of its fields.
const maxNames = 4096

func newNames() names { return names{list: map[string]string{}} }

func (n *names) get(id string) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name, ok := n.list[id]
	return name, ok
}

func (n *names) put(id, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.list) >= maxNames {
		clear(n.list)
	}
	n.list[id] = name
}

var eventName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,119}$`)

// EventName returns the API name of the event that a schema is of, asking the
// org once for each schema (one API call). It is for custom channels.
func (c *Client) EventName(ctx context.Context, schemaID string) (string, error) {
	if name, ok := c.names.get(schemaID); ok {
		return name, nil
	}
	name, err := c.askName(ctx, schemaID)
	if r, ok := err.(*Refusal); ok && r.class() == classLogin { // askName wraps nothing
		name, err = c.askName(ctx, schemaID) // the first one has invalidated the token
	}
	if err != nil {
		return "", fault("ask for event schema", err)
	}
	c.names.put(schemaID, name)
	return name, nil
}

func (c *Client) askName(ctx context.Context, schemaID string) (string, error) {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	address := token.InstanceURL + "/services/data/v" + c.cfg.Version + "/event/eventSchema/" + url.PathEscape(schemaID) + "?payloadFormat=COMPACT"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	resp, err := c.http.Do(req)
	if err != nil {
		return "", transportError(err)
	}
	defer resp.Body.Close() // nothing is left to do about it
	body := &capped{r: resp.Body, left: c.cfg.MaxResponse}
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, body, 64<<10) // lets the connection live
		refusal := &Refusal{Status: resp.StatusCode, After: retryAfter(resp.Header)}
		if refusal.class() == classLogin {
			c.tokens.Invalidate(token)
		}
		return "", refusal
	}
	var schema struct {
		Name string `json:"name"`
	}
	if err := json.NewDecoder(body).Decode(&schema); err != nil || !eventName.MatchString(schema.Name) {
		return "", fmt.Errorf("the schema has no name: %w", errNoArray)
	}
	return schema.Name, nil
}
