package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// Version is an API version that the org's instance serves.
type Version struct {
	Label   string `json:"label"`
	URL     string `json:"url"`
	Version string `json:"version"`
}

// Versions lists the API versions, oldest first.
func (c *Client) Versions(ctx context.Context) ([]Version, error) {
	var versions []Version
	err := c.call.Get(ctx, "list api versions", "/services/data", &versions)
	return versions, err
}

// Limit is one of the org's allocations.
type Limit struct {
	Max       int64 `json:"Max"`
	Remaining int64 `json:"Remaining"`
}

// Limits returns the org's allocations by name. The figures lag some minutes
// behind, and the user needs View Setup.
func (c *Client) Limits(ctx context.Context) (map[string]Limit, error) {
	var limits map[string]Limit
	err := c.call.Get(ctx, "get limits", c.call.Base()+"/limits/", &limits)
	return limits, err
}

// ObjectSummary is what describe global says of an sObject.
type ObjectSummary struct {
	Name          string `json:"name"`
	Label         string `json:"label"`
	KeyPrefix     string `json:"keyPrefix"`
	Custom        bool   `json:"custom"`
	Createable    bool   `json:"createable"`
	Updateable    bool   `json:"updateable"`
	Deletable     bool   `json:"deletable"`
	Queryable     bool   `json:"queryable"`
	Replicateable bool   `json:"replicateable"`
}

// DescribeGlobal lists the sObjects that the user may see.
func (c *Client) DescribeGlobal(ctx context.Context) ([]ObjectSummary, error) {
	var all struct {
		Objects []ObjectSummary `json:"sobjects"`
	}
	err := c.call.Get(ctx, "describe org", c.call.Base()+"/sobjects/", &all)
	return all.Objects, err
}

// Object is what describe says of one sObject.
type Object struct {
	ObjectSummary
	Fields []Field `json:"fields"`
}

// Field is one field of an sObject.
type Field struct {
	Name              string   `json:"name"`
	Label             string   `json:"label"`
	Type              string   `json:"type"`
	SOAPType          string   `json:"soapType"`
	Length            int      `json:"length"`
	Precision         int      `json:"precision"`
	Scale             int      `json:"scale"`
	Nillable          bool     `json:"nillable"`
	Createable        bool     `json:"createable"`
	Updateable        bool     `json:"updateable"`
	Calculated        bool     `json:"calculated"`
	Custom            bool     `json:"custom"`
	Unique            bool     `json:"unique"`
	ExternalID        bool     `json:"externalId"`
	IDLookup          bool     `json:"idLookup"`
	NameField         bool     `json:"nameField"`
	DefaultedOnCreate bool     `json:"defaultedOnCreate"`
	CompoundFieldName string   `json:"compoundFieldName"`
	RelationshipName  string   `json:"relationshipName"`
	ReferenceTo       []string `json:"referenceTo"`
}

// Describe returns the fields of an sObject or platform event.
func (c *Client) Describe(ctx context.Context, object string) (Object, error) {
	var o Object
	err := c.call.Get(ctx, "describe "+object, c.objectPath(object, "describe"), &o)
	return o, err
}

// UserInfo is who the token speaks for.
type UserInfo struct {
	UserID   salesforce.ID `json:"user_id"`
	OrgID    salesforce.ID `json:"organization_id"`
	Username string        `json:"preferred_username"`
	Name     string        `json:"name"`
	Email    string        `json:"email"`
	Identity string        `json:"sub"`
}

// UserInfo asks the OpenID endpoint.
func (c *Client) UserInfo(ctx context.Context) (UserInfo, error) {
	var u UserInfo
	err := c.call.Get(ctx, "get user info", "/services/oauth2/userinfo", &u)
	return u, err
}

// Identity returns the identity document of the user the token speaks for, asked
// of the org's own instance rather than of the login host in the token's id.
func (c *Client) Identity(ctx context.Context) (json.RawMessage, error) {
	tok, err := c.call.Token(ctx)
	if err != nil {
		return nil, err
	}
	path := strings.Join([]string{"/id", string(tok.OrgID), string(tok.UserID)}, "/")
	a, err := c.call.Do(ctx, call.Request{Op: "get identity", Method: http.MethodGet, Path: path})
	return a.Body, err
}
