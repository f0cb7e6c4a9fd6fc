package record

import (
	"encoding/base64"
	"path"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// blobSize is the size of what a base64 value holds.
func blobSize(v any) any {
	text, ok := v.(string)
	if !ok {
		return nil
	}
	return int64(base64.StdEncoding.DecodedLen(len(text)) - strings.Count(text[max(0, len(text)-2):], "="))
}

// describeContent sets what the org works out from a file's content and path.
func describeContent(o *schema.Object, row Row) {
	switch o.Name {
	case "Attachment":
		row["BodyLength"] = blobSize(row["Body"])
	case "ContentVersion":
		name, _ := row["PathOnClient"].(string)
		base := path.Base(strings.ReplaceAll(name, `\`, "/"))
		extension := strings.TrimPrefix(path.Ext(base), ".")
		row["ContentSize"], row["FileExtension"] = blobSize(row["VersionData"]), nil
		if extension != "" {
			row["FileExtension"] = extension
		}
		if row["Title"] == nil {
			row["Title"] = strings.TrimSuffix(base, "."+extension)
		}
	}
}

// version puts a new ContentVersion into its document: a new one unless it names
// one, whose latest version it becomes.
func (t *Tx) version(id salesforce.ID, row Row) error {
	if row["VersionData"] == nil {
		return requiredMissing([]string{"VersionData"})
	}
	documents, ok := t.e.cfg.Catalog.Object("ContentDocument")
	versions, known := t.e.cfg.Catalog.Object("ContentVersion")
	if !ok || !known {
		return nil
	}
	document, given := row["ContentDocumentId"].(string)
	if !given {
		newID, err := t.store(documents, Row{
			"Title": row["Title"], "FileExtension": row["FileExtension"], "ContentSize": row["ContentSize"], "OwnerId": row["OwnerId"],
			"LatestPublishedVersionId": string(id),
		})
		row["ContentDocumentId"], row["VersionNumber"], row["IsLatest"] = string(newID), "1", true
		return err
	}
	ref, _ := versions.Field("ContentDocumentId")
	older, err := t.Find(versions, ref, document)
	if err != nil {
		return err
	}
	row["VersionNumber"], row["IsLatest"] = strconv.Itoa(len(older)+1), true
	for _, prior := range older {
		if err := t.patch(versions, prior, Row{"IsLatest": false}); err != nil {
			return err
		}
	}
	return t.patch(documents, salesforce.ID(document), Row{
		"LatestPublishedVersionId": string(id), "ContentSize": row["ContentSize"], "FileExtension": row["FileExtension"], "Title": row["Title"],
	})
}

// patch sets typed values of a record as the org itself would, read-only fields included.
func (t *Tx) patch(o *schema.Object, id salesforce.ID, set Row) error {
	tab, err := t.table(o)
	if err != nil {
		return err
	}
	before, err := t.fetch(o, id)
	if err != nil || before == nil {
		return err
	}
	after := copyRow(before)
	for name, v := range set {
		after[name] = v
	}
	t.stampModified(after)
	if err := t.replace(tab, id, after); err != nil {
		return err
	}
	t.note(Change{Object: o, Type: Update, ID: id, Before: before, After: after, Changed: changedFields(o, before, after)})
	return nil
}
