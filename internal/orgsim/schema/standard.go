package schema

// Standard returns fresh copies of the built-in standard objects, so that a
// schema file may add fields to them.
func Standard() []*Object {
	return []*Object{
		account(), contact(), lead(), opportunity(), order(), supportCase(), task(),
		user(), profile(), organization(), attachment(), contentVersion(), contentDocument(), recordType(),
	}
}

func industries() []string {
	return []string{
		"Agriculture", "Apparel", "Banking", "Biotechnology", "Chemicals", "Communications", "Construction",
		"Consulting", "Education", "Electronics", "Energy", "Engineering", "Entertainment", "Environmental", "Finance",
		"Food & Beverage", "Government", "Healthcare", "Hospitality", "Insurance", "Machinery", "Manufacturing", "Media",
		"Not For Profit", "Recreation", "Retail", "Shipping", "Technology", "Telecommunications", "Transportation",
		"Utilities", "Other",
	}
}

func leadSources() []string {
	return []string{"Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"}
}

func ratings() []string { return []string{"Hot", "Warm", "Cold"} }

func account() *Object {
	return object("Account", "Accounts", "001",
		text("Name", "Account Name", 255).required().naming(),
		picklist("Type", "Account Type", "Prospect", "Customer - Direct", "Customer - Channel",
			"Channel Partner / Reseller", "Installation Partner", "Technology Partner", "Other"),
		lookup("ParentId", "Parent Account ID", "Parent", "Account").children("ChildAccounts"),
		address("Billing", "Billing"),
		address("Shipping", "Shipping"),
		field("Phone", "Account Phone", TypePhone).sized(40),
		field("Fax", "Account Fax", TypePhone).sized(40),
		text("AccountNumber", "Account Number", 40),
		field("Website", "Website", TypeURL).sized(255),
		text("Sic", "SIC Code", 20),
		picklist("Industry", "Industry", industries()...),
		number("AnnualRevenue", "Annual Revenue", TypeCurrency, 18, 0),
		integer("NumberOfEmployees", "Employees", 8),
		picklist("Ownership", "Ownership", "Public", "Private", "Subsidiary", "Other"),
		longText("Description", "Account Description", 32000),
		picklist("Rating", "Account Rating", ratings()...),
		text("Site", "Account Site", 80),
		owner("User").children("Accounts"),
		picklist("AccountSource", "Account Source", leadSources()...),
	)
}

func contact() *Object {
	return object("Contact", "Contacts", "003",
		lookup("AccountId", "Account ID", "Account", "Account").children("Contacts").cascading(),
		personName(),
		address("Mailing", "Mailing"),
		address("Other", "Other"),
		field("Phone", "Business Phone", TypePhone).sized(40),
		field("Fax", "Business Fax", TypePhone).sized(40),
		field("MobilePhone", "Mobile Phone", TypePhone).sized(40),
		field("HomePhone", "Home Phone", TypePhone).sized(40),
		lookup("ReportsToId", "Reports To ID", "ReportsTo", "Contact").children("ReportsTo"),
		field("Email", "Email", TypeEmail).sized(80),
		text("Title", "Title", 128),
		text("Department", "Department", 80),
		picklist("LeadSource", "Lead Source", leadSources()...),
		field("Birthdate", "Birthdate", TypeDate),
		longText("Description", "Contact Description", 32000),
		owner("User").children("Contacts"),
		checkbox("HasOptedOutOfEmail", "Email Opt Out"),
		checkbox("DoNotCall", "Do Not Call"),
	)
}

func lead() *Object {
	return object("Lead", "Leads", "00Q",
		personName(),
		text("Title", "Title", 128),
		text("Company", "Company", 255).required(),
		address("", "Lead"),
		field("Phone", "Phone", TypePhone).sized(40),
		field("MobilePhone", "Mobile Phone", TypePhone).sized(40),
		field("Email", "Email", TypeEmail).sized(80),
		field("Website", "Website", TypeURL).sized(255),
		longText("Description", "Description", 32000),
		picklist("LeadSource", "Lead Source", leadSources()...),
		picklist("Status", "Status", "Open - Not Contacted", "Working - Contacted", "Closed - Converted",
			"Closed - Not Converted").defaulted("Open - Not Contacted"),
		picklist("Industry", "Industry", industries()...),
		picklist("Rating", "Rating", ratings()...),
		number("AnnualRevenue", "Annual Revenue", TypeCurrency, 18, 0),
		integer("NumberOfEmployees", "Employees", 8),
		owner("Group", "User"),
		checkbox("IsConverted", "Converted").readOnly(),
		field("ConvertedDate", "Converted Date", TypeDate).readOnly(),
		lookup("ConvertedAccountId", "Converted Account ID", "ConvertedAccount", "Account").readOnly(),
		lookup("ConvertedContactId", "Converted Contact ID", "ConvertedContact", "Contact").readOnly(),
		lookup("ConvertedOpportunityId", "Converted Opportunity ID", "ConvertedOpportunity", "Opportunity").readOnly(),
		checkbox("IsUnreadByOwner", "Unread By Owner").defaulted(true),
	)
}

func opportunity() *Object {
	return object("Opportunity", "Opportunities", "006",
		lookup("AccountId", "Account ID", "Account", "Account").children("Opportunities").cascading(),
		checkbox("IsPrivate", "Private"),
		text("Name", "Name", 120).required().naming(),
		longText("Description", "Description", 32000),
		picklist("StageName", "Stage", "Prospecting", "Qualification", "Needs Analysis", "Value Proposition",
			"Id. Decision Makers", "Perception Analysis", "Proposal/Price Quote", "Negotiation/Review", "Closed Won",
			"Closed Lost").required(),
		number("Amount", "Amount", TypeCurrency, 18, 2),
		number("Probability", "Probability (%)", TypePercent, 3, 0),
		field("CloseDate", "Close Date", TypeDate).required(),
		picklist("Type", "Opportunity Type", "Existing Customer - Upgrade", "Existing Customer - Replacement",
			"Existing Customer - Downgrade", "New Customer"),
		text("NextStep", "Next Step", 255),
		picklist("LeadSource", "Lead Source", leadSources()...),
		checkbox("IsClosed", "Closed").readOnly(),
		checkbox("IsWon", "Won").readOnly(),
		owner("User"),
		lookup("ContactId", "Contact ID", "Contact", "Contact").children("Opportunities").createOnly(),
	)
}

func order() *Object {
	return object("Order", "Orders", "801",
		owner("Group", "User"),
		lookup("AccountId", "Account ID", "Account", "Account").required().children("Orders").restricting(),
		field("EffectiveDate", "Order Start Date", TypeDate).required(),
		field("EndDate", "Order End Date", TypeDate),
		picklist("Status", "Status", "Draft", "Activated").defaulted("Draft").restrict(),
		longText("Description", "Description", 32000),
		lookup("BillToContactId", "Bill To Contact ID", "BillToContact", "Contact"),
		lookup("ShipToContactId", "Ship To Contact ID", "ShipToContact", "Contact"),
		picklist("Type", "Order Type"),
		address("Billing", "Billing"),
		address("Shipping", "Shipping"),
		text("Name", "Order Name", 80),
		field("PoDate", "PO Date", TypeDate),
		text("PoNumber", "PO Number", 80),
		text("OrderReferenceNumber", "Order Reference Number", 80),
		number("TotalAmount", "Order Amount", TypeCurrency, 18, 2).readOnly().defaulted(0.0),
		autoNumber("OrderNumber", "Order Number", "{00000000}").naming(),
	)
}

func supportCase() *Object {
	return object("Case", "Cases", "500",
		autoNumber("CaseNumber", "Case Number", "{00000000}").naming(),
		lookup("ContactId", "Contact ID", "Contact", "Contact").children("Cases"),
		lookup("AccountId", "Account ID", "Account", "Account").children("Cases").restricting(),
		lookup("ParentId", "Parent Case ID", "Parent", "Case").children("Cases"),
		text("SuppliedName", "Name", 80),
		field("SuppliedEmail", "Email Address", TypeEmail).sized(80),
		text("SuppliedCompany", "Company", 80),
		picklist("Type", "Case Type", "Mechanical", "Electrical", "Electronic", "Structural", "Other"),
		picklist("Status", "Status", "New", "Working", "Escalated", "Closed").defaulted("New"),
		picklist("Reason", "Case Reason", "Installation", "Equipment Complexity", "Performance", "Breakdown",
			"Equipment Design", "Feedback", "Other"),
		picklist("Origin", "Case Origin", "Phone", "Email", "Web"),
		text("Subject", "Subject", 255),
		picklist("Priority", "Priority", "High", "Medium", "Low").defaulted("Medium"),
		longText("Description", "Description", 32000),
		checkbox("IsClosed", "Closed").readOnly(),
		field("ClosedDate", "Closed Date", TypeDateTime).readOnly(),
		checkbox("IsEscalated", "Escalated"),
		owner("Group", "User"),
	)
}

func task() *Object {
	return object("Task", "Tasks", "00T",
		lookup("WhoId", "Name ID", "Who", "Contact", "Lead").children("Tasks"),
		lookup("WhatId", "Related To ID", "What", "Account", "Case", "Opportunity", "Order").children("Tasks").cascading(),
		text("Subject", "Subject", 255).naming(),
		field("ActivityDate", "Due Date Only", TypeDate),
		picklist("Status", "Status", "Not Started", "In Progress", "Completed", "Waiting on someone else",
			"Deferred").defaulted("Not Started"),
		picklist("Priority", "Priority", "High", "Normal", "Low").defaulted("Normal"),
		checkbox("IsHighPriority", "High Priority").readOnly(),
		owner("Group", "User"),
		longText("Description", "Description", 32000),
		checkbox("IsClosed", "Closed").readOnly(),
		integer("CallDurationInSeconds", "Call Duration", 8),
		picklist("CallType", "Call Type", "Internal", "Inbound", "Outbound"),
	)
}

func (f *Field) sized(length int) *Field { f.Length = length; return f }

// createOnly fields are fixed once the record exists.
func (f *Field) createOnly() *Field { f.Updateable = false; return f }

// cascading children go with their parent.
func (f *Field) cascading() *Field { f.CascadeDelete = true; return f }

// restricting children keep their parent from being deleted.
func (f *Field) restricting() *Field { f.RestrictDelete = true; return f }
