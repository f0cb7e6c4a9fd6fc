package generate

// The word lists are functions, since a package-level slice could be changed.

func firstNames() []string {
	return []string{
		"Ada", "Amir", "Ana", "Andrea", "Anna", "Ben", "Carla", "Chen", "Clara", "Daniel", "David", "Diego", "Elena", "Emma", "Erik", "Eva",
		"Fatima", "Felix", "Grace", "Hanna", "Hugo", "Ines", "Isabel", "Ivan", "James", "Jana", "Jonas", "Julia", "Karim", "Kofi", "Laura",
		"Leo", "Lena", "Liam", "Lina", "Lucas", "Maria", "Marta", "Mateo", "Maya", "Mei", "Mila", "Mohammed", "Nadia", "Nina", "Noah",
		"Olga", "Oscar", "Paul", "Priya", "Rafael", "Ravi", "Rosa", "Ruth", "Sam", "Sara", "Sofia", "Tariq", "Theo", "Thomas", "Tom", "Vera",
		"Victor", "Wei", "Yara", "Yuki", "Zoe",
	}
}

func lastNames() []string {
	return []string{
		"Abel", "Ahmed", "Andersson", "Bauer", "Becker", "Bianchi", "Brown", "Costa", "Cruz", "Diaz", "Dubois", "Evans", "Fischer", "Fontaine",
		"Garcia", "Gonzalez", "Green", "Gupta", "Haas", "Hansen", "Hill", "Hoffmann", "Ibrahim", "Ito", "Jansen", "Johnson", "Jones", "Kaya",
		"Keller", "Khan", "Kim", "Klein", "Koch", "Kowalski", "Kumar", "Lang", "Larsen", "Lee", "Lopez", "Martin", "Mensah", "Meyer", "Moreau",
		"Mueller", "Nakamura", "Nguyen", "Novak", "O'Brien", "Okafor", "Oliveira", "Patel", "Perez", "Petrov", "Reyes", "Rossi", "Sato",
		"Schmidt", "Silva", "Singh", "Smith", "Sousa", "Suzuki", "Tanaka", "Taylor", "Tran", "Vargas", "Vogel", "Wagner", "Walker", "Wang",
		"Weber", "Williams", "Wilson", "Wong", "Young", "Zhang", "Zimmermann",
	}
}

func companyHeads() []string {
	return []string{
		"Alder", "Amber", "Atlas", "Aurora", "Beacon", "Birch", "Blue Ridge", "Bright", "Cedar", "Cobalt", "Copper", "Crescent", "Delta", "Eagle",
		"Ember", "Evergreen", "Falcon", "First", "Golden", "Granite", "Harbor", "Hawthorn", "Helios", "Horizon", "Iron", "Juniper", "Keystone",
		"Lakeside", "Lighthouse", "Lumen", "Maple", "Meridian", "Mistral", "North Star", "Northern", "Oak", "Ocean", "Orchard", "Pacific",
		"Pine", "Pioneer", "Polar", "Prairie", "Quartz", "Red Rock", "River", "Sequoia", "Silver", "Solstice", "Stone", "Summit", "Tidal",
		"Union", "Valley", "Vector", "Vertex", "Westwind", "Willow", "Windmill", "Zenith",
	}
}

func companyTrades() []string {
	return []string{
		"Analytics", "Bakery", "Biotech", "Builders", "Capital", "Clinics", "Components", "Consulting", "Dairy", "Dynamics", "Electric",
		"Energy", "Engineering", "Farms", "Foods", "Freight", "Furniture", "Glass", "Health", "Hotels", "Insurance", "Interiors", "Labs",
		"Logistics", "Machines", "Marine", "Materials", "Media", "Metals", "Motors", "Networks", "Optics", "Outdoor", "Paper", "Partners",
		"Pharma", "Plastics", "Power", "Press", "Printing", "Properties", "Rail", "Research", "Robotics", "Security", "Software", "Solar",
		"Steel", "Storage", "Studios", "Supply", "Systems", "Textiles", "Timber", "Tools", "Trading", "Transport", "Travel", "Water", "Works",
	}
}

func companyForms() []string {
	return []string{"Inc.", "LLC", "Ltd.", "GmbH", "S.A.", "& Co.", "Group", "Corp."}
}

func streets() []string {
	return []string{
		"Main Street", "Station Road", "Park Avenue", "High Street", "Mill Lane", "Church Street", "Oak Avenue", "River Road", "King Street",
		"Market Square", "Harbor Drive", "Garden Street", "Lake View", "Hill Road", "Bridge Street", "School Lane", "Forest Avenue", "Cedar Court",
	}
}

// city is a place whose parts fit each other. The digits of its postal code are
// drawn where the pattern has a '#'.
type city struct{ name, state, postal, country string }

func cities() []city {
	return []city{
		{"Austin", "TX", "787##", "United States"},
		{"Boise", "ID", "837##", "United States"},
		{"Boston", "MA", "021##", "United States"},
		{"Chicago", "IL", "606##", "United States"},
		{"Denver", "CO", "802##", "United States"},
		{"Portland", "OR", "972##", "United States"},
		{"Reno", "NV", "895##", "United States"},
		{"San Diego", "CA", "921##", "United States"},
		{"Seattle", "WA", "981##", "United States"},
		{"Tampa", "FL", "336##", "United States"},
		{"Toronto", "ON", "M5V 2T#", "Canada"},
		{"Montreal", "QC", "H2Y 1C#", "Canada"},
		{"London", "", "EC1A 1B#", "United Kingdom"},
		{"Leeds", "", "LS1 4A#", "United Kingdom"},
		{"Dublin", "", "D02 X28#", "Ireland"},
		{"Berlin", "", "101##", "Germany"},
		{"Hamburg", "", "200##", "Germany"},
		{"Munich", "", "803##", "Germany"},
		{"Zurich", "", "80##", "Switzerland"},
		{"Vienna", "", "10##", "Austria"},
		{"Paris", "", "750##", "France"},
		{"Lyon", "", "690##", "France"},
		{"Madrid", "", "280##", "Spain"},
		{"Lisbon", "", "1100-0##", "Portugal"},
		{"Milan", "", "201##", "Italy"},
		{"Stockholm", "", "111 ##", "Sweden"},
		{"Warsaw", "", "00-0##", "Poland"},
		{"Sao Paulo", "SP", "01310-0##", "Brazil"},
		{"Mexico City", "", "060##", "Mexico"},
		{"Mumbai", "MH", "4000##", "India"},
		{"Singapore", "", "0186##", "Singapore"},
		{"Tokyo", "", "100-00##", "Japan"},
		{"Sydney", "NSW", "20##", "Australia"},
		{"Cape Town", "", "80##", "South Africa"},
		{"Accra", "", "GA-1##-4#", "Ghana"},
	}
}

func titles() []string {
	return []string{
		"Accountant", "Account Manager", "Buyer", "CEO", "CFO", "CIO", "COO", "Controller", "Director of Sales", "Engineer", "Head of Procurement",
		"HR Manager", "IT Administrator", "Marketing Manager", "Office Manager", "Operations Manager", "Plant Manager", "Product Manager",
		"Project Manager", "Purchasing Manager", "Sales Manager", "VP Finance", "VP Operations", "VP Sales",
	}
}

func subjects() []string {
	return []string{
		"Call about the renewal", "Delivery is late", "Follow up on the offer", "Invoice does not match the order", "Login does not work",
		"Part arrived damaged", "Plan the next visit", "Question about pricing", "Renew the contract", "Request for a quote", "Send the catalogue",
		"Set up a demo", "Spare parts needed", "Update the address", "Warranty claim", "Wrong item delivered",
	}
}

func sentences() []string {
	return []string{
		"Met at the trade fair in spring.", "Prefers to be called in the morning.", "Asked for an offer in writing.", "Long-standing customer.",
		"Needs delivery before the end of the quarter.", "Interested in a service contract.", "Has a second site across town.",
		"Pays by bank transfer.", "Referred by an existing customer.", "Wants to see the product first.", "Compares us with two others.",
		"Budget is approved for this year.",
	}
}

func things() []string {
	return []string{"New business", "Renewal", "Upgrade", "Pilot", "Service contract", "Expansion", "Replacement", "Rollout"}
}
