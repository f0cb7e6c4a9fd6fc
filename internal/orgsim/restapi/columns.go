package restapi

import (
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// columnMetadata describes one result column for ?columns=true, which the sf
// command line asks for to lay out its tables.
type columnMetadata struct {
	Aggregate      bool             `json:"aggregate"`
	ApexType       string           `json:"apexType"`
	BooleanType    bool             `json:"booleanType"`
	ColumnName     string           `json:"columnName"`
	Custom         bool             `json:"custom"`
	DisplayName    string           `json:"displayName"`
	ForeignKeyName *string          `json:"foreignKeyName"`
	Insertable     bool             `json:"insertable"`
	JoinColumns    []columnMetadata `json:"joinColumns"`
	NumberType     bool             `json:"numberType"`
	TextType       bool             `json:"textType"`
	Updatable      bool             `json:"updatable"`
}

func columnsOf(plan *soql.Plan) map[string]any {
	idSelected := false
	for _, item := range plan.Root.Items {
		idSelected = idSelected || item.Name == "Id"
	}
	return map[string]any{
		"columnMetadata": nodeColumns(plan.Root, plan.Aggregate), "entityName": plan.Object.Name,
		"groupBy": len(plan.Query.GroupBy) > 0, "idSelected": idSelected, "keyPrefix": plan.Object.KeyPrefix,
	}
}

func nodeColumns(n *soql.Node, aggregate bool) []columnMetadata {
	columns := []columnMetadata{}
	for _, item := range n.Items {
		if below := item.Parent; below != nil || item.Children != nil {
			if item.Children != nil {
				below = item.Children.Root
			}
			name := item.Name
			columns = append(columns, columnMetadata{
				Aggregate: true, ColumnName: name, DisplayName: name, ForeignKeyName: &name, JoinColumns: nodeColumns(below, false),
			})
			continue
		}
		if item.Variants != nil {
			name := item.Name
			columns = append(columns, columnMetadata{
				Aggregate: true, ColumnName: name, DisplayName: name, ForeignKeyName: &name, JoinColumns: nodeColumns(item.Variants[0], false),
			})
			continue
		}
		f := &schema.Field{Name: item.Name, Type: item.Type}
		if n.Object != nil {
			if known, ok := n.Object.Field(item.Name); ok {
				f = known
			}
		}
		columns = append(columns, columnMetadata{
			Aggregate: aggregate, ApexType: apexType(item.Type), BooleanType: item.Type == schema.TypeBoolean,
			ColumnName: item.Name, Custom: f.Custom, DisplayName: item.Name, Insertable: f.Createable,
			JoinColumns: []columnMetadata{}, NumberType: f.IsNumber(), TextType: f.IsText(), Updatable: f.Updateable,
		})
	}
	return columns
}

func apexType(t schema.Type) string {
	switch t {
	case schema.TypeID, schema.TypeReference:
		return "Id"
	case schema.TypeBoolean:
		return "Boolean"
	case schema.TypeInt:
		return "Integer"
	case schema.TypeDouble, schema.TypeCurrency, schema.TypePercent:
		return "Double"
	case schema.TypeDate:
		return "Date"
	case schema.TypeDateTime:
		return "Datetime"
	case schema.TypeTime:
		return "Time"
	default:
		return "String"
	}
}
