package apex

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Step is one statement: exactly one of its actions.
type Step struct {
	// Line is where the step is in the script.
	Line int `yaml:"-"`
	// As names the variable that gets the action's result.
	As string `yaml:"as"`

	Insert   *DML       `yaml:"insert"`
	Update   *DML       `yaml:"update"`
	Upsert   *DML       `yaml:"upsert"`
	Delete   *DML       `yaml:"delete"`
	Undelete *DML       `yaml:"undelete"`
	Query    *QueryDecl `yaml:"query"`
	Publish  *Publish   `yaml:"publish"`
	Callout  *Call      `yaml:"callout"`
	// Savepoint, Rollback and Release name a savepoint.
	Savepoint *string `yaml:"savepoint"`
	Rollback  *string `yaml:"rollback"`
	Release   *string `yaml:"releaseSavepoint"`

	ForEach *ForEach   `yaml:"forEach"`
	Collect *Collect   `yaml:"collect"`
	If      *Condition `yaml:"if"`
	Then    []Step     `yaml:"then"` // belongs to If
	Else    []Step     `yaml:"else"` // belongs to If
	Try     []Step     `yaml:"try"`
	Catch   *Catch     `yaml:"catch"`   // belongs to Try
	Finally []Step     `yaml:"finally"` // belongs to Try
	Throw   *Throw     `yaml:"throw"`
	Assert  *Condition `yaml:"assert"`
	// Set gives variables values; Log writes a line; Return ends the transaction
	// with a value, and it commits.
	Set    map[string]any `yaml:"set"`
	Log    *string        `yaml:"log"`
	Return *any           `yaml:"return"`

	EnqueueJob   *Job `yaml:"enqueueJob"`
	Future       *Job `yaml:"future"`
	ExecuteBatch *Job `yaml:"executeBatch"`
	Schedule     *Job `yaml:"schedule"`

	// CPU uses processor time without waiting, Wait lets time pass on the org's
	// clock (a lock, a slow trigger), Heap holds bytes until the end.
	CPU  *Millis `yaml:"cpu"`
	Wait *Millis `yaml:"wait"`
	Heap *int    `yaml:"heap"`
}

// DML is a statement on records, given as a list, or as one record that is made
// once, Repeat times, or once for each of From. In Record, i is the number and item
// the element.
type DML struct {
	Object  string         `yaml:"object"`
	Records any            `yaml:"records"`
	Record  map[string]any `yaml:"record"`
	Repeat  any            `yaml:"repeat"`
	From    any            `yaml:"from"`
	// Set adds fields to every record.
	Set map[string]any `yaml:"set"`
	// AllOrNone is true unless given; false is Database.insert(records, false).
	AllOrNone *bool `yaml:"allOrNone"`
	// ExternalID is the field that upsert matches by; Id unless given.
	ExternalID string `yaml:"externalId"`
}

// QueryDecl is a SOQL statement. References in it are bound as values are in
// Apex: text is escaped, lists are written for IN.
type QueryDecl struct {
	SOQL    string `yaml:"soql"`
	AllRows bool   `yaml:"allRows"`
	// Single assigns to one record instead of a list.
	Single bool `yaml:"single"`
}

// Publish is EventBus.publish. Events are made as the records of [DML] are.
type Publish struct {
	Event  string         `yaml:"event"`
	Fields map[string]any `yaml:"fields"`
	Events any            `yaml:"events"`
	Repeat any            `yaml:"repeat"`
	From   any            `yaml:"from"`
}

// Call is one Http.send.
type Call struct {
	Method   string            `yaml:"method"` // GET unless given
	Endpoint string            `yaml:"endpoint"`
	Headers  map[string]string `yaml:"headers"`
	// Body is text, or a structure that is sent as JSON.
	Body any `yaml:"body"`
	// Timeout is 10 s unless given.
	Timeout    Millis `yaml:"timeout"`
	Compressed bool   `yaml:"setCompressed"`
}

// ForEach is a loop over a list, or over numbers from From up to To, To left out.
// With Size, it goes over parts of the list.
type ForEach struct {
	In   any    `yaml:"in"`
	From any    `yaml:"from"`
	To   any    `yaml:"to"`
	Size int    `yaml:"size"`
	Var  string `yaml:"var"` // item unless given
	Do   []Step `yaml:"do"`
}

// Collect makes a list with one Value for each element of In, as a loop that adds to
// a list does in Apex.
type Collect struct {
	In    any    `yaml:"in"`
	Var   string `yaml:"var"` // item unless given
	Value any    `yaml:"value"`
}

// Catch handles exceptions of a type, or those that extend it.
type Catch struct {
	Type string `yaml:"type"` // Exception, which is all that can be caught, unless given
	As   string `yaml:"as"`   // e unless given
	Do   []Step `yaml:"do"`
}

// Throw throws an exception of the script's own.
type Throw struct {
	Type    string `yaml:"type"`
	Message string `yaml:"message"`
}

// Condition compares That with one of the others. Without any, That must be true.
type Condition struct {
	That      any    `yaml:"that"`
	Equals    *any   `yaml:"equals"`
	NotEquals *any   `yaml:"notEquals"`
	Less      *any   `yaml:"lessThan"`
	Greater   *any   `yaml:"greaterThan"`
	Contains  *any   `yaml:"contains"`
	Empty     *bool  `yaml:"empty"`
	Message   string `yaml:"message"` // of an assertion
}

// Job starts a class of the script, or steps of its own, after the commit.
type Job struct {
	Class     string         `yaml:"class"`
	Steps     []Step         `yaml:"steps"`
	Finalizer []Step         `yaml:"finalizer"`
	With      map[string]any `yaml:"with"`
	// Delay is how long a job waits by the org's clock: 0 to 10 minutes, more for
	// scheduled ones.
	Delay Millis `yaml:"delay"`
	// MaxDepth is AsyncOptions.MaximumQueueableStackDepth.
	MaxDepth int `yaml:"maxDepth"`
	// Signature is AsyncOptions.DuplicateSignature: a second queueable of the same one is
	// refused until the first has begun.
	Signature string `yaml:"signature"`
	// Callout is @future(callout=true).
	Callout bool `yaml:"callout"`
	// Scope overrides a batch class's.
	Scope int `yaml:"scope"`
}

// UnmarshalYAML reads a step and remembers its line.
func (s *Step) UnmarshalYAML(node ast.Node) error {
	type plain Step
	if err := yaml.NodeToValue(node, (*plain)(s), yaml.Strict()); err != nil {
		return err
	}
	if token := node.GetToken(); token != nil && token.Position != nil {
		s.Line = token.Position.Line
	}
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 { // its own token may be the first colon
		s.Line = m.Values[0].Key.GetToken().Position.Line
	}
	return nil
}

// belonging are keys that are no actions.
var belonging = [...]string{"as", "then", "else", "catch", "finally", "-"}

// action returns the step's one action, by its key; an error if there is none or
// more than one.
func (s *Step) action() (string, error) {
	var found []string
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("yaml")
		if !v.Field(i).IsZero() && !isBelonging(key) {
			found = append(found, key)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("line %d: want one action in a step, have %d (%s)", s.Line, len(found), strings.Join(found, ", "))
	}
	return found[0], nil
}

func isBelonging(key string) bool {
	for _, k := range belonging {
		if k == key {
			return true
		}
	}
	return false
}
