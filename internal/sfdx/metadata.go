package sfdx

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const namespace = "http://soap.sforce.com/2006/04/metadata"

// encode writes metadata as Salesforce's own tools do: four spaces, so that a
// retrieve changes little.
func encode(body any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	e := xml.NewEncoder(&b)
	e.Indent("", "    ")
	if err := e.Encode(body); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// parameter is one of a credential's.
type parameter struct {
	Description        string `xml:"description,omitempty"`
	ExternalCredential string `xml:"externalCredential,omitempty"`
	Group              string `xml:"parameterGroup,omitempty"`
	Name               string `xml:"parameterName"`
	Type               string `xml:"parameterType"`
	Value              string `xml:"parameterValue,omitempty"`
	Sequence           int    `xml:"sequenceNumber,omitempty"`
}

// Principal is the name of the identity that all users share.
const Principal = "Gateway"

func (c Config) credential() string { return c.Name + "_Auth" }

func (c Config) externalCredential() component {
	body := struct {
		XMLName    xml.Name    `xml:"ExternalCredential"`
		Space      string      `xml:"xmlns,attr"`
		Protocol   string      `xml:"authenticationProtocol"`
		Parameters []parameter `xml:"externalCredentialParameters"`
		Label      string      `xml:"label"`
	}{Space: namespace, Label: c.Name + " gateway"}
	principal := parameter{Group: Principal, Name: Principal, Type: "NamedPrincipal", Sequence: 1}
	if c.Auth == OAuth {
		body.Protocol = "Oauth"
		body.Parameters = []parameter{
			{Name: "Oauth", Type: "AuthProtocolVariant", Value: "ClientCredentialsClientSecretBasic"},
			{Name: "TokenEndpoint", Type: "AuthProviderUrl", Value: c.URL + "/oauth2/token"},
			{Name: Principal, Type: "NamedPrincipal", Sequence: 1},
		}
	} else {
		body.Protocol = "Custom"
		body.Parameters = []parameter{
			principal,
			{Group: "DefaultGroup", Name: "Authorization", Type: "AuthHeader", Value: "{!'Bearer ' & $Credential." + c.credential() + ".Token}", Sequence: 1},
		}
	}
	return component{"ExternalCredential", c.credential(), "externalCredentials/" + c.credential() + ".externalCredential-meta.xml", body}
}

func (c Config) namedCredential() component {
	return component{"NamedCredential", c.Name, "namedCredentials/" + c.Name + ".namedCredential-meta.xml", struct {
		XMLName    xml.Name    `xml:"NamedCredential"`
		Space      string      `xml:"xmlns,attr"`
		InBody     bool        `xml:"allowMergeFieldsInBody"`
		InHeader   bool        `xml:"allowMergeFieldsInHeader"`
		Status     string      `xml:"calloutStatus"`
		Generate   bool        `xml:"generateAuthorizationHeader"`
		Label      string      `xml:"label"`
		Parameters []parameter `xml:"namedCredentialParameters"`
		Type       string      `xml:"namedCredentialType"`
	}{
		Space: namespace, InHeader: c.Auth == Bearer, Status: "Enabled", Generate: c.Auth == OAuth, Label: c.Name + " gateway", Type: "SecuredEndpoint",
		Parameters: []parameter{
			{Name: "Url", Type: "Url", Value: c.URL},
			{Name: "ExternalCredential", Type: "Authentication", ExternalCredential: c.credential()},
		},
	}}
}

func (c Config) permissionSet() component {
	name := c.Name + "_Callouts"
	type access struct {
		Enabled   bool   `xml:"enabled"`
		Principal string `xml:"externalCredentialPrincipal"`
	}
	return component{"PermissionSet", name, "permissionsets/" + name + ".permissionset-meta.xml", struct {
		XMLName     xml.Name `xml:"PermissionSet"`
		Space       string   `xml:"xmlns,attr"`
		Description string   `xml:"description"`
		Access      access   `xml:"externalCredentialPrincipalAccesses"`
		Activation  bool     `xml:"hasActivationRequired"`
		Label       string   `xml:"label"`
	}{
		Space: namespace, Description: "Lets its users call the " + c.Name + " gateway.", Label: c.Name + " Callouts",
		Access: access{true, c.credential() + "-" + Principal},
	}}
}

func (c Config) externalService() (component, error) {
	type operation struct {
		Active bool   `xml:"active"`
		Name   string `xml:"name"`
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, c.Description); err != nil {
		return component{}, fmt.Errorf("read description of routes: %w", err)
	}
	operations := make([]operation, 0, len(c.Operations))
	for _, name := range slices.Sorted(slices.Values(c.Operations)) {
		operations = append(operations, operation{true, name})
	}
	return component{"ExternalServiceRegistration", c.Name, "externalServiceRegistrations/" + c.Name + ".externalServiceRegistration-meta.xml", struct {
		XMLName     xml.Name    `xml:"ExternalServiceRegistration"`
		Space       string      `xml:"xmlns,attr"`
		Description string      `xml:"description"`
		Label       string      `xml:"label"`
		Credential  string      `xml:"namedCredentialReference"`
		Operations  []operation `xml:"operations"`
		Provider    string      `xml:"registrationProviderType"`
		Schema      string      `xml:"schema"`
		SchemaType  string      `xml:"schemaType"`
		Extension   string      `xml:"schemaUploadFileExtension"`
		File        string      `xml:"schemaUploadFileName"`
		Binding     string      `xml:"serviceBinding"`
		Status      string      `xml:"status"`
	}{
		Space: namespace, Description: "Routes of the " + c.Name + " gateway.", Label: c.Name, Credential: c.Name, Operations: operations,
		Provider: "Custom", Schema: compact.String(), SchemaType: "OpenApi3", Extension: "json", File: "openapi", Status: "Complete",
		Binding: `{"host":"","basePath":"/","allowedSchemes":[],"requestMediaTypes":[],"responseMediaTypes":[],"compatibleMediaTypes":{}}`,
	}}, nil
}

// value is a field of a custom metadata record.
type value struct {
	Field string `xml:"field"`
	Value struct {
		Type string `xml:"xsi:type,attr"`
		Text string `xml:",chardata"`
	} `xml:"value"`
}

func text(field, kind, content string) (v value) {
	v.Field, v.Value.Type, v.Value.Text = field, "xsd:"+kind, content
	return v
}

func (c Config) routeRecords() []component {
	taken := map[string]bool{}
	var records []component
	for _, r := range c.Routes {
		name := DeveloperName(r.Name)
		if taken[strings.ToLower(name)] {
			name = hashed(name, r.Name)
		}
		taken[strings.ToLower(name)] = true
		records = append(records, c.routeRecord(r, name))
	}
	return records
}

// maxLabel is the most characters of a record's label, and of its API name.
const (
	maxLabel         = 40
	maxDeveloperName = 40
)

func (c Config) routeRecord(r Route, name string) component {
	values := []value{text("Named_Credential__c", "string", c.Name), text("Route__c", "string", r.Name)}
	if r.TimeoutMs > 0 {
		values = append(values, text("Timeout_Ms__c", "double", strconv.Itoa(r.TimeoutMs)+".0"))
	}
	values = append(values, text("Transport__c", "string", r.Transport))
	return component{"CustomMetadata", "Sallyport_Route." + name, "customMetadata/Sallyport_Route." + name + ".md-meta.xml", struct {
		XMLName   xml.Name `xml:"CustomMetadata"`
		Space     string   `xml:"xmlns,attr"`
		XSI       string   `xml:"xmlns:xsi,attr"`
		XSD       string   `xml:"xmlns:xsd,attr"`
		Label     string   `xml:"label"`
		Protected bool     `xml:"protected"`
		Values    []value  `xml:"values"`
	}{
		Space: namespace, XSI: "http://www.w3.org/2001/XMLSchema-instance", XSD: "http://www.w3.org/2001/XMLSchema",
		Label: r.Name[:min(len(r.Name), maxLabel)], Values: values,
	}}
}

// hashed is a name that ends in a hash of the whole one.
func hashed(name, whole string) string {
	sum := sha256.Sum256([]byte(whole))
	return strings.TrimSuffix(name[:min(len(name), maxDeveloperName-9)], "_") + "_" + hex.EncodeToString(sum[:4])
}

// manifest lists the components, by type and in the order of names.
func (c Config) manifest(components []component) ([]byte, error) {
	type members struct {
		Members []string `xml:"members"`
		Name    string   `xml:"name"`
	}
	body := struct {
		XMLName xml.Name  `xml:"Package"`
		Space   string    `xml:"xmlns,attr"`
		Types   []members `xml:"types"`
		Version string    `xml:"version"`
	}{Space: namespace, Version: c.APIVersion}
	for _, one := range components {
		i := slices.IndexFunc(body.Types, func(m members) bool { return m.Name == one.kind })
		if i < 0 {
			body.Types, i = append(body.Types, members{Name: one.kind}), len(body.Types)
		}
		body.Types[i].Members = append(body.Types[i].Members, one.member)
	}
	for _, m := range body.Types {
		slices.Sort(m.Members)
	}
	slices.SortFunc(body.Types, func(a, b members) int { return strings.Compare(a.Name, b.Name) })
	return encode(body)
}
