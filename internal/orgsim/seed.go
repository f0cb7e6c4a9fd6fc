package orgsim

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

// seed puts in the rows that an org has before anybody works with it: itself, a
// profile and its users. Rows from an earlier run stay as they are.
func (o *Org) seed(ctx context.Context) error {
	users := make([]record.Row, 0, len(o.cfg.Users))
	for _, u := range o.sessions.Users() {
		users = append(users, userRow(&u))
	}
	for _, rows := range []struct {
		object string
		rows   []record.Row
	}{
		{"Profile", []record.Row{{"Id": string(session.ProfileID), "Name": "System Administrator"}}},
		{"User", users},
		{"Organization", []record.Row{{"Id": string(o.cfg.OrgID), "Name": o.cfg.OrgName}}},
	} {
		object, ok := o.catalog.Object(rows.object)
		if !ok {
			continue // a catalog made by hand may leave it out
		}
		if _, err := o.records.Load(ctx, object, rows.rows); err != nil {
			return fmt.Errorf("seed org: %w", err)
		}
	}
	return nil
}

func userRow(u *session.User) record.Row {
	alias, _, _ := strings.Cut(u.Username, "@")
	row := record.Row{
		"Id": string(u.ID), "Username": u.Username, "Email": u.Email, "LastName": u.LastName, "IsActive": !u.Inactive,
		"Alias": alias[:min(len(alias), maxAlias)], "CommunityNickname": alias, "ProfileId": string(session.ProfileID),
	}
	if u.Email == "" {
		row["Email"] = u.Username
	}
	if u.LastName == "" {
		row["LastName"] = alias
	}
	if u.FirstName != "" {
		row["FirstName"] = u.FirstName
	}
	return row
}

// maxAlias is the length of User.Alias.
const maxAlias = 8
