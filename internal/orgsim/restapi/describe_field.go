package restapi

import "github.com/sallyport-dev/sallyport/internal/orgsim/schema"

// fieldDescribe is one field in a describe.
type fieldDescribe struct {
	Aggregatable             bool            `json:"aggregatable"`
	AIPredictionField        bool            `json:"aiPredictionField"`
	AutoNumber               bool            `json:"autoNumber"`
	ByteLength               int             `json:"byteLength"`
	Calculated               bool            `json:"calculated"`
	CalculatedFormula        *string         `json:"calculatedFormula"`
	CascadeDelete            bool            `json:"cascadeDelete"`
	CaseSensitive            bool            `json:"caseSensitive"`
	CompoundFieldName        *string         `json:"compoundFieldName"`
	ControllerName           *string         `json:"controllerName"`
	Createable               bool            `json:"createable"`
	Custom                   bool            `json:"custom"`
	DefaultValue             any             `json:"defaultValue"`
	DefaultValueFormula      *string         `json:"defaultValueFormula"`
	DefaultedOnCreate        bool            `json:"defaultedOnCreate"`
	DependentPicklist        bool            `json:"dependentPicklist"`
	DeprecatedAndHidden      bool            `json:"deprecatedAndHidden"`
	Digits                   int             `json:"digits"`
	DisplayLocationInDecimal bool            `json:"displayLocationInDecimal"`
	Encrypted                bool            `json:"encrypted"`
	ExternalID               bool            `json:"externalId"`
	ExtraTypeInfo            *string         `json:"extraTypeInfo"`
	Filterable               bool            `json:"filterable"`
	FilteredLookupInfo       *string         `json:"filteredLookupInfo"`
	FormulaNullAsZero        bool            `json:"formulaTreatNullNumberAsZero"`
	Groupable                bool            `json:"groupable"`
	HighScaleNumber          bool            `json:"highScaleNumber"`
	HTMLFormatted            bool            `json:"htmlFormatted"`
	IDLookup                 bool            `json:"idLookup"`
	InlineHelpText           *string         `json:"inlineHelpText"`
	Label                    string          `json:"label"`
	Length                   int             `json:"length"`
	Mask                     *string         `json:"mask"`
	MaskType                 *string         `json:"maskType"`
	Name                     string          `json:"name"`
	NameField                bool            `json:"nameField"`
	NamePointing             bool            `json:"namePointing"`
	Nillable                 bool            `json:"nillable"`
	Permissionable           bool            `json:"permissionable"`
	PicklistValues           []picklistValue `json:"picklistValues"`
	PolymorphicForeignKey    bool            `json:"polymorphicForeignKey"`
	Precision                int             `json:"precision"`
	QueryByDistance          bool            `json:"queryByDistance"`
	ReferenceTargetField     *string         `json:"referenceTargetField"`
	ReferenceTo              []string        `json:"referenceTo"`
	RelationshipName         *string         `json:"relationshipName"`
	RelationshipOrder        *int            `json:"relationshipOrder"`
	RestrictedDelete         bool            `json:"restrictedDelete"`
	RestrictedPicklist       bool            `json:"restrictedPicklist"`
	Scale                    int             `json:"scale"`
	SearchPrefilterable      bool            `json:"searchPrefilterable"`
	SoapType                 string          `json:"soapType"`
	Sortable                 bool            `json:"sortable"`
	Type                     string          `json:"type"`
	Unique                   bool            `json:"unique"`
	Updateable               bool            `json:"updateable"`
	WriteRequiresMasterRead  bool            `json:"writeRequiresMasterRead"`
}

type picklistValue struct {
	Active       bool    `json:"active"`
	DefaultValue bool    `json:"defaultValue"`
	Label        string  `json:"label"`
	ValidFor     *string `json:"validFor"`
	Value        string  `json:"value"`
}

// longestGroupable is the text length above which a field can be neither
// filtered nor grouped nor sorted by.
const longestGroupable = 255

func describeField(f *schema.Field) fieldDescribe {
	long := f.Type == schema.TypeTextArea && f.Length > longestGroupable
	address := f.Type == schema.TypeAddress || f.Type == schema.TypeLocation
	long = long || f.Type == schema.TypeBase64
	d := fieldDescribe{
		Aggregatable: !long && !address && f.Type != schema.TypeBoolean, AutoNumber: f.AutoNumber != "",
		ByteLength: byteLength(f), CascadeDelete: f.CascadeDelete, CompoundFieldName: optional(f.Compound),
		Createable: f.Createable, Custom: f.Custom, DefaultedOnCreate: f.Default != nil || f.Type == schema.TypeBoolean || isStamped(f),
		ExternalID: f.ExternalID, Filterable: !long && !address,
		Groupable: !long && !address && f.Type != schema.TypeDateTime && f.Type != schema.TypeMultiPicklist && !isFraction(f),
		IDLookup:  f.ExternalID || f.Type == schema.TypeID, Label: f.Label, Length: f.Length, Name: f.Name,
		NameField: f.NameField, Nillable: f.Nillable, Permissionable: f.Custom || f.Nillable && f.Createable,
		NamePointing: len(f.ReferenceTo) > 1, PolymorphicForeignKey: len(f.ReferenceTo) > 1,
		PicklistValues: picklistValues(f), Precision: f.Precision, QueryByDistance: address,
		ReferenceTo: append([]string{}, f.ReferenceTo...), RelationshipName: optional(f.RelationshipName),
		RestrictedPicklist: f.Restricted, Scale: f.Scale, SoapType: soapType(f.Type),
		Sortable: !long && !address && f.Type != schema.TypeMultiPicklist, Type: describeType(f.Type), Unique: f.Unique, Updateable: f.Updateable,
	}
	d.RestrictedDelete, d.Calculated = f.RestrictDelete, f.IsComputed()
	if f.Formula != nil {
		d.CalculatedFormula, d.FormulaNullAsZero = optional(f.Formula.Source()), true
	}
	if f.Type == schema.TypeInt {
		d.Digits, d.Precision = f.Precision, 0
	}
	if f.Type == schema.TypeBoolean {
		d.DefaultValue = f.Default
	}
	return d
}

// describeType: the name of a person is text to describe; only change events
// show its parts.
func describeType(t schema.Type) string {
	if t == schema.TypePersonName {
		return string(schema.TypeString)
	}
	return string(t)
}

func isFraction(f *schema.Field) bool { return f.IsNumber() && f.Type != schema.TypeInt }

// isStamped says that the org sets the field on create.
func isStamped(f *schema.Field) bool {
	switch f.Name {
	case "Id", "OwnerId", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp":
		return true
	}
	return f.AutoNumber != ""
}

func byteLength(f *schema.Field) int {
	if f.IsID() {
		return f.Length
	}
	return f.Length * 3 // UTF-8 as the org counts it
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func picklistValues(f *schema.Field) []picklistValue {
	values := []picklistValue{}
	for _, v := range f.Picklist {
		values = append(values, picklistValue{Active: true, DefaultValue: f.Default == v, Label: v, Value: v})
	}
	return values
}

func soapType(t schema.Type) string {
	switch t {
	case schema.TypeID, schema.TypeReference:
		return "tns:ID"
	case schema.TypeBoolean:
		return "xsd:boolean"
	case schema.TypeInt:
		return "xsd:int"
	case schema.TypeDouble, schema.TypeCurrency, schema.TypePercent:
		return "xsd:double"
	case schema.TypeDate:
		return "xsd:date"
	case schema.TypeDateTime:
		return "xsd:dateTime"
	case schema.TypeTime:
		return "xsd:time"
	case schema.TypeAddress:
		return "urn:address"
	case schema.TypeLocation:
		return "urn:location"
	case schema.TypeBase64:
		return "xsd:base64Binary"
	default:
		return "xsd:string"
	}
}
