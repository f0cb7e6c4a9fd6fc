package restapi

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// objectInfo is what describe global says of an object.
type objectInfo struct {
	Activateable          bool              `json:"activateable"`
	AssociateEntityType   *string           `json:"associateEntityType"`
	AssociateParentEntity *string           `json:"associateParentEntity"`
	Createable            bool              `json:"createable"`
	Custom                bool              `json:"custom"`
	CustomSetting         bool              `json:"customSetting"`
	DeepCloneable         bool              `json:"deepCloneable"`
	Deletable             bool              `json:"deletable"`
	DeprecatedAndHidden   bool              `json:"deprecatedAndHidden"`
	FeedEnabled           bool              `json:"feedEnabled"`
	HasSubtypes           bool              `json:"hasSubtypes"`
	IsInterface           bool              `json:"isInterface"`
	IsSubtype             bool              `json:"isSubtype"`
	KeyPrefix             string            `json:"keyPrefix"`
	Label                 string            `json:"label"`
	LabelPlural           string            `json:"labelPlural"`
	Layoutable            bool              `json:"layoutable"`
	Mergeable             bool              `json:"mergeable"`
	MruEnabled            bool              `json:"mruEnabled"`
	Name                  string            `json:"name"`
	Queryable             bool              `json:"queryable"`
	Replicateable         bool              `json:"replicateable"`
	Retrieveable          bool              `json:"retrieveable"`
	Searchable            bool              `json:"searchable"`
	Triggerable           bool              `json:"triggerable"`
	Undeletable           bool              `json:"undeletable"`
	Updateable            bool              `json:"updateable"`
	URLs                  map[string]string `json:"urls"`
}

// objectDescribe is the full describe of one object.
type objectDescribe struct {
	objectInfo
	ActionOverrides       []any               `json:"actionOverrides"`
	ChildRelationships    []childRelation     `json:"childRelationships"`
	CompactLayoutable     bool                `json:"compactLayoutable"`
	DefaultImplementation *string             `json:"defaultImplementation"`
	ExtendedBy            *string             `json:"extendedBy"`
	ExtendsInterfaces     *string             `json:"extendsInterfaces"`
	Fields                []fieldDescribe     `json:"fields"`
	ImplementedBy         *string             `json:"implementedBy"`
	ImplementsInterfaces  *string             `json:"implementsInterfaces"`
	Listviewable          *bool               `json:"listviewable"`
	LookupLayoutable      *bool               `json:"lookupLayoutable"`
	NamedLayoutInfos      []any               `json:"namedLayoutInfos"`
	NetworkScopeFieldName *string             `json:"networkScopeFieldName"`
	RecordTypeInfos       []recordTypeInfo    `json:"recordTypeInfos"`
	SearchLayoutable      bool                `json:"searchLayoutable"`
	SobjectDescribeOption string              `json:"sobjectDescribeOption"`
	SupportedScopes       []map[string]string `json:"supportedScopes"`
}

type childRelation struct {
	CascadeDelete       bool     `json:"cascadeDelete"`
	ChildSObject        string   `json:"childSObject"`
	DeprecatedAndHidden bool     `json:"deprecatedAndHidden"`
	Field               string   `json:"field"`
	JunctionIDListNames []string `json:"junctionIdListNames"`
	JunctionReferenceTo []string `json:"junctionReferenceTo"`
	RelationshipName    *string  `json:"relationshipName"`
	RestrictedDelete    bool     `json:"restrictedDelete"`
}

type recordTypeInfo struct {
	Active                   bool              `json:"active"`
	Available                bool              `json:"available"`
	DefaultRecordTypeMapping bool              `json:"defaultRecordTypeMapping"`
	DeveloperName            string            `json:"developerName"`
	Master                   bool              `json:"master"`
	Name                     string            `json:"name"`
	RecordTypeID             salesforce.ID     `json:"recordTypeId"`
	URLs                     map[string]string `json:"urls"`
}

// masterRecordType is the record type that every object has, in every org.
const masterRecordType salesforce.ID = "012000000000000AAA"

func recordTypesOf(c *call, o *schema.Object) []recordTypeInfo {
	infos := []recordTypeInfo{}
	if o.Kind != schema.Record {
		return infos
	}
	preset := false
	layout := func(id salesforce.ID) map[string]string {
		return map[string]string{"layout": c.base() + "/sobjects/" + o.Name + "/describe/layouts/" + string(id)}
	}
	for _, r := range o.RecordTypes {
		preset = preset || r.Default
		infos = append(infos, recordTypeInfo{
			Active: !r.Inactive, Available: !r.Inactive, DefaultRecordTypeMapping: r.Default, DeveloperName: r.DeveloperName,
			Name: r.Label, RecordTypeID: r.ID, URLs: layout(r.ID),
		})
	}
	return append(infos, recordTypeInfo{
		Active: true, Available: true, DefaultRecordTypeMapping: !preset, DeveloperName: "Master", Master: true, Name: "Master",
		RecordTypeID: masterRecordType, URLs: layout(masterRecordType),
	})
}

func (a *API) describeGlobal(c *call) error {
	objects := []objectInfo{}
	for _, o := range a.cfg.Catalog.Objects() {
		objects = append(objects, infoOf(c, o))
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects})
	return nil
}

func (a *API) basicInfo(c *call, o *schema.Object) error {
	writeJSON(c.w, http.StatusOK, map[string]any{"objectDescribe": infoOf(c, o), "recentItems": []any{}})
	return nil
}

func (a *API) describe(c *call, o *schema.Object) error {
	d := objectDescribe{
		objectInfo: infoOf(c, o), ActionOverrides: []any{}, ChildRelationships: []childRelation{},
		Fields: make([]fieldDescribe, 0, len(o.Fields)), NamedLayoutInfos: []any{}, RecordTypeInfos: recordTypesOf(c, o),
		SobjectDescribeOption: "FULL", SearchLayoutable: o.Kind == schema.Record, CompactLayoutable: o.Kind == schema.Record,
		SupportedScopes: []map[string]string{{"label": "All " + o.LabelPlural, "name": "everything"}},
	}
	for _, child := range a.cfg.Catalog.ChildrenOf(o) {
		d.ChildRelationships = append(d.ChildRelationships, childOf(child))
	}
	for _, f := range o.Fields {
		d.Fields = append(d.Fields, describeField(f))
	}
	writeJSON(c.w, http.StatusOK, d)
	return nil
}

func childOf(child schema.Child) childRelation {
	r := childRelation{
		CascadeDelete: child.Field.CascadeDelete, ChildSObject: child.Object.Name, Field: child.Field.Name,
		RestrictedDelete: child.Field.RestrictDelete, JunctionIDListNames: []string{}, JunctionReferenceTo: []string{},
	}
	r.RelationshipName = optional(soql.ChildName(child.Field))
	return r
}

func infoOf(c *call, o *schema.Object) objectInfo {
	record := o.Kind == schema.Record
	_, deletable := o.Field("IsDeleted")
	path := c.base() + "/sobjects/" + o.Name
	urls := map[string]string{"sobject": path, "describe": path + "/describe", "rowTemplate": path + "/{ID}"}
	if !record {
		urls["eventSchema"] = path + "/eventSchema"
	}
	return objectInfo{
		Createable: creatable(o), Custom: o.Custom, Deletable: record && deletable, KeyPrefix: o.KeyPrefix, Label: o.Label, LabelPlural: o.LabelPlural,
		FeedEnabled: record, Layoutable: record, MruEnabled: record, Name: o.Name, Queryable: record, Replicateable: record && deletable,
		Retrieveable: record, Searchable: record, Triggerable: true, Undeletable: record && deletable, Updateable: record && creatable(o), URLs: urls,
	}
}

// creatable says that callers may write any field of the object.
func creatable(o *schema.Object) bool {
	for _, f := range o.Fields {
		if f.Createable {
			return true
		}
	}
	return false
}
