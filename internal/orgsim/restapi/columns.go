package restapi

import (
	"strings"

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
	var selected []soql.SelectItem
	if plan.Aggregate {
		selected = plan.Query.Select
	}
	return map[string]any{
		"columnMetadata": nodeColumns(plan.Root, selected), "entityName": plan.Object.Name,
		"groupBy": len(plan.Query.GroupBy) > 0, "idSelected": idSelected, "keyPrefix": plan.Object.KeyPrefix,
	}
}

// nodeColumns describes a record's columns. Selected is the SELECT list of an
// aggregate query, nil otherwise.
func nodeColumns(n *soql.Node, selected []soql.SelectItem) []columnMetadata {
	columns := []columnMetadata{}
	for i, item := range n.Items {
		if below, many := joined(item); below != nil {
			name := item.Name
			columns = append(columns, columnMetadata{
				Aggregate: many, ColumnName: name, DisplayName: name, ForeignKeyName: &name, JoinColumns: nodeColumns(below, nil),
			})
			continue
		}
		f := &schema.Field{Name: item.Name, Type: item.Type}
		if n.Object != nil {
			if known, ok := n.Object.Field(item.Name); ok {
				f = known
			}
		}
		column := columnMetadata{
			ApexType: apexType(item.Type), BooleanType: item.Type == schema.TypeBoolean,
			ColumnName: item.Name, Custom: f.Custom, DisplayName: item.Name, Insertable: f.Createable,
			JoinColumns: []columnMetadata{}, NumberType: f.IsNumber(), TextType: f.IsText(), Updatable: f.Updateable,
		}
		if i < len(selected) {
			column.summarize(selected[i].Value)
		}
		columns = append(columns, column)
	}
	return columns
}

// joined returns the record or records below an item, nil when it is a value. Only
// lists of children count as aggregates: sf lays out a parent's fields as columns
// of the row itself.
func joined(item soql.Item) (below *soql.Node, many bool) {
	switch {
	case item.Children != nil:
		return item.Children.Root, true
	case item.Variants != nil:
		return item.Variants[0], false
	}
	return item.Parent, false
}

// summarize marks the column of an aggregate query as computed if a function
// computes it, and shows it as written; fields to group by are plain columns. sf
// tells expr0, expr1 and so on from them by their order.
func (c *columnMetadata) summarize(v soql.Value) {
	call, ok := v.(*soql.Call)
	if !ok {
		return
	}
	var args []string
	for _, arg := range call.Args {
		if path, ok := arg.(*soql.FieldPath); ok {
			args = append(args, strings.Join(path.Names, "."))
		}
	}
	c.Aggregate, c.DisplayName = true, strings.ToLower(call.Name)+"("+strings.Join(args, ", ")+")"
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
