package schema

// attachment, contentVersion and contentDocument carry blobs; recordType names the
// record types of the other objects.

func attachment() *Object {
	body := field("Body", "Body", TypeBase64).required()
	return object("Attachment", "Attachments", "00P",
		lookup("ParentId", "Parent ID", "Parent", "Account", "Contact", "Lead", "Opportunity", "Order", "Case", "Task").required().
			children("Attachments").cascading().createOnly(),
		text("Name", "File Name", 255).required().naming(),
		checkbox("IsPrivate", "Private"),
		text("ContentType", "Content Type", 120),
		integer("BodyLength", "Body Length", 9).readOnly(),
		body,
		owner("User"),
		text("Description", "Description", 500),
	)
}

func contentVersion() *Object {
	return object("ContentVersion", "Content Versions", "068",
		lookup("ContentDocumentId", "ContentDocument ID", "ContentDocument", "ContentDocument").children("ContentVersions").cascading().createOnly(),
		checkbox("IsLatest", "Is Latest").readOnly().defaulted(true),
		text("Title", "Title", 255).naming(),
		text("Description", "Description", 1000),
		text("PathOnClient", "Path On Client", 500).required().createOnly(),
		text("VersionNumber", "Version Number", 20).readOnly(),
		field("VersionData", "Version Data", TypeBase64).createOnly(),
		integer("ContentSize", "Size", 9).readOnly(),
		text("FileExtension", "File Extension", 40).readOnly(),
		lookup("FirstPublishLocationId", "First Publish Location ID", "FirstPublishLocation", "Account", "Contact", "Lead", "Opportunity",
			"Order", "Case", "User").createOnly(),
		owner("User"),
	)
}

func contentDocument() *Object {
	return object("ContentDocument", "Content Documents", "069",
		text("Title", "Title", 255).naming(),
		lookup("LatestPublishedVersionId", "Latest Published Version ID", "LatestPublishedVersion", "ContentVersion").readOnly(),
		text("FileExtension", "File Extension", 40).readOnly(),
		integer("ContentSize", "Size", 9).readOnly(),
		owner("User"),
	)
}

func recordType() *Object {
	return without(object("RecordType", "Record Types", "012",
		text("Name", "Name", 80).readOnly().naming(),
		text("DeveloperName", "Record Type Name", 80).readOnly(),
		text("NamespacePrefix", "Namespace Prefix", 15).readOnly(),
		text("Description", "Description", 255).readOnly(),
		text("SobjectType", "SObject Type Name", 40).readOnly(),
		checkbox("IsActive", "Active").readOnly().defaulted(true),
	), "IsDeleted")
}
