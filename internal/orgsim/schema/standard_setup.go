package schema

import "slices"

// user, profile and organization are what the org knows of itself. Clients read
// them right after login.

func user() *Object {
	return without(object("User", "Users", "005",
		text("Username", "Username", 80).required(),
		personName(),
		text("CompanyName", "Company Name", 80),
		text("Department", "Department", 80),
		text("Title", "Title", 80),
		address("", "User"),
		field("Email", "Email", TypeEmail).sized(128).required(),
		field("Phone", "Phone", TypePhone).sized(40),
		field("MobilePhone", "Mobile", TypePhone).sized(40),
		text("Alias", "Alias", 8).required(),
		text("CommunityNickname", "Nickname", 40),
		checkbox("IsActive", "Active").defaulted(true),
		picklist("TimeZoneSidKey", "Time Zone", "GMT", "Europe/Berlin", "America/New_York", "America/Los_Angeles").defaulted("GMT"),
		picklist("LocaleSidKey", "Locale", "en_US", "en_GB", "de_DE").defaulted("en_US"),
		picklist("EmailEncodingKey", "Email Encoding", "UTF-8", "ISO-8859-1").defaulted("UTF-8"),
		picklist("LanguageLocaleKey", "Language", "en_US", "de", "fr").defaulted("en_US"),
		lookup("ProfileId", "Profile ID", "Profile", "Profile").children("Users"),
		picklist("UserType", "User Type", "Standard", "PowerCustomerSuccess", "CsnOnly", "Guest", "AutomatedProcess").
			readOnly().defaulted("Standard"),
		text("FederationIdentifier", "SAML Federation ID", 512),
		field("LastLoginDate", "Last Login", TypeDateTime).readOnly(),
		lookup("ManagerId", "Manager ID", "Manager", "User").children("ManagedUsers"),
	), "IsDeleted")
}

func profile() *Object {
	return without(object("Profile", "Profiles", "00e",
		text("Name", "Name", 255).required().naming(),
		picklist("UserType", "User Type", "Standard", "Guest").readOnly().defaulted("Standard"),
		text("Description", "Description", 255),
	), "IsDeleted")
}

func organization() *Object {
	return without(object("Organization", "Organizations", "00D",
		text("Name", "Name", 80).required().naming(),
		text("Division", "Division", 80),
		address("", "Organization"),
		field("Phone", "Phone", TypePhone).sized(40),
		text("PrimaryContact", "Primary Contact", 80),
		picklist("DefaultLocaleSidKey", "Locale", "en_US", "en_GB", "de_DE").defaulted("en_US"),
		picklist("TimeZoneSidKey", "Time Zone", "GMT", "Europe/Berlin", "America/Los_Angeles").defaulted("GMT"),
		picklist("LanguageLocaleKey", "Language", "en_US", "de", "fr").defaulted("en_US"),
		text("NamespacePrefix", "Namespace Prefix", 15).readOnly(),
		text("InstanceName", "Instance Name", 5).readOnly().defaulted("SIM1"),
		checkbox("IsSandbox", "Is Sandbox").readOnly(),
		picklist("OrganizationType", "Edition", "Developer Edition", "Enterprise Edition", "Unlimited Edition").
			readOnly().defaulted("Developer Edition"),
		field("TrialExpirationDate", "Trial Expiration Date", TypeDateTime).readOnly(),
		integer("FiscalYearStartMonth", "Fiscal Year Starts In", 2).readOnly(),
	), "IsDeleted")
}

// without drops the fields that setup objects lack although other records have them.
func without(o *Object, names ...string) *Object {
	kept := o.Fields[:0]
	for _, f := range o.Fields {
		if !slices.Contains(names, f.Name) {
			kept = append(kept, f)
		}
	}
	o.Fields = kept
	return o
}
