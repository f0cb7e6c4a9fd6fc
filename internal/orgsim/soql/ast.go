package soql

// Query is one parsed SELECT statement.
type Query struct {
	Source  string // as written, for error messages
	Select  []SelectItem
	From    string
	Alias   string
	Where   Condition // nil for none
	GroupBy []Value
	Having  Condition
	OrderBy []Order
	Limit   int // -1 for none
	Offset  int
	// AllRows asks for deleted records too. FOR VIEW, FOR REFERENCE, WITH and
	// USING SCOPE clauses are read and have no effect on what is found.
	AllRows bool

	fromAt, limitAt, offsetAt position
}

// SelectItem is one entry of the SELECT list.
type SelectItem struct {
	Value Value
	Alias string
}

// Value is a field path, a function call or a child subquery.
type Value interface{ where() position }

// FieldPath is a field, through parents if longer than one.
type FieldPath struct {
	Names []string
	at    position
}

// Call is a function: COUNT(), SUM(Amount), FIELDS(ALL), CALENDAR_YEAR(CreatedDate).
type Call struct {
	Name string // upper case
	Args []Value
	at   position
}

// ChildQuery is a parent-to-child subquery in the SELECT list.
type ChildQuery struct {
	Query *Query
	at    position
}

// Constant is a literal argument: the numbers of GEOLOCATION, the unit of DISTANCE.
type Constant struct{ Literal Literal }

// TypeOf selects fields of a polymorphic parent by its type.
type TypeOf struct {
	Relationship *FieldPath
	Whens        []When
	Else         []*FieldPath // nil for none
	at           position
}

// When is one branch of a TYPEOF.
type When struct {
	Type   string
	Fields []*FieldPath
	at     position
}

func (f *FieldPath) where() position  { return f.at }
func (c *Constant) where() position   { return c.Literal.at }
func (t *TypeOf) where() position     { return t.at }
func (c *Call) where() position       { return c.at }
func (c *ChildQuery) where() position { return c.at }

// Condition is a node of WHERE or HAVING.
type Condition interface{ condition() }

// Logical is AND or OR over two or more conditions.
type Logical struct {
	Or    bool
	Terms []Condition
}

// Not negates a condition.
type Not struct{ Term Condition }

// Comparison compares a value with literals or the rows of a subquery.
type Comparison struct {
	Left Value
	Op   Op
	// Right has one literal; several for IN, NOT IN, INCLUDES and EXCLUDES.
	Right []Literal
	// Subquery is the right side of a semi-join or anti-join, nil otherwise.
	Subquery *Query
	at       position
}

func (*Logical) condition()    {}
func (*Not) condition()        {}
func (*Comparison) condition() {}

// Op is a comparison operator.
type Op string

// The comparison operators.
const (
	OpEqual          Op = "="
	OpNotEqual       Op = "!="
	OpLess           Op = "<"
	OpLessOrEqual    Op = "<="
	OpGreater        Op = ">"
	OpGreaterOrEqual Op = ">="
	OpLike           Op = "LIKE"
	OpIn             Op = "IN"
	OpNotIn          Op = "NOT IN"
	OpIncludes       Op = "INCLUDES"
	OpExcludes       Op = "EXCLUDES"
)

// LiteralKind is the form of a literal.
type LiteralKind int

// The forms of literals.
const (
	LiteralNull LiteralKind = iota
	LiteralBool
	LiteralString
	LiteralNumber
	LiteralDate
	LiteralDateTime
	LiteralPeriod // TODAY, LAST_N_DAYS:30
)

// Literal is a constant as written; strings keep their escapes.
type Literal struct {
	Kind LiteralKind
	Text string // period names are upper case
	N    int    // of LAST_N_DAYS:n and the like
	at   position
}

// Order is one entry of ORDER BY. Nulls come first unless NullsLast.
type Order struct {
	Value     Value
	Desc      bool
	NullsLast bool
}
