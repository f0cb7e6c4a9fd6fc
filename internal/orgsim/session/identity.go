package session

import (
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func (s *Store) identityURL(user salesforce.ID) string {
	return s.cfg.InstanceURL + "/id/" + string(s.cfg.OrgID) + "/" + string(user)
}

// tokenOf finds an access token in the header, or in the oauth_token or
// access_token parameter.
func tokenOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok &&
		(strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "OAuth")) {
		return token
	}
	if token := r.FormValue("oauth_token"); token != "" {
		return token
	}
	return r.FormValue("access_token")
}

// caller returns the user of the request's session; without one it has answered
// as these two endpoints do: 403 and plain text, not JSON.
func (s *Store) caller(w http.ResponseWriter, r *http.Request) (*User, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	token := tokenOf(r)
	session, ok := s.Authenticate(token)
	if ok {
		if u, known := s.userByID(session.UserID); known {
			return u, true
		}
	}
	text := "Bad_OAuth_Token"
	if token == "" {
		text = "Missing_OAuth_Token"
	}
	w.Header().Set("Content-Type", "text/html;charset=UTF-8")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte(text)) // the client may be gone
	return nil, false
}

// urls are the API addresses of an identity, with the {version} placeholder.
func (s *Store) urls(user salesforce.ID) map[string]string {
	base, data := s.cfg.InstanceURL, s.cfg.InstanceURL+"/services/data/v{version}/"
	return map[string]string{
		"enterprise":    base + "/services/Soap/c/{version}/" + s.cfg.OrgID.Short(),
		"metadata":      base + "/services/Soap/m/{version}/" + s.cfg.OrgID.Short(),
		"partner":       base + "/services/Soap/u/{version}/" + s.cfg.OrgID.Short(),
		"rest":          data,
		"sobjects":      data + "sobjects/",
		"search":        data + "search/",
		"query":         data + "query/",
		"recent":        data + "recent/",
		"tooling_soap":  base + "/services/Soap/T/{version}/" + s.cfg.OrgID.Short(),
		"tooling_rest":  data + "tooling/",
		"profile":       base + "/" + string(user),
		"feeds":         data + "chatter/feeds",
		"groups":        data + "chatter/groups",
		"users":         data + "chatter/users",
		"feed_items":    data + "chatter/feed-items",
		"feed_elements": data + "chatter/feed-elements",
		"custom_domain": base,
	}
}

func (s *Store) photos() map[string]string {
	return map[string]string{
		"picture": s.cfg.InstanceURL + "/profilephoto/005/F", "thumbnail": s.cfg.InstanceURL + "/profilephoto/005/T",
	}
}

func (s *Store) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	u, ok := s.caller(w, r)
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"sub": s.identityURL(u.ID), "user_id": u.ID, "organization_id": s.cfg.OrgID,
		"preferred_username": u.Username, "nickname": nickname(u), "name": u.FullName(), "email": u.Email, "email_verified": true,
		"given_name": u.FirstName, "family_name": u.LastName, "zoneinfo": "America/Los_Angeles",
		"photos": s.photos(), "profile": s.cfg.InstanceURL + "/" + string(u.ID), "picture": s.photos()["picture"],
		"urls": s.urls(u.ID), "active": !u.Inactive, "user_type": "STANDARD", "language": "en_US", "locale": "en_US",
		"utcOffset": -28800000, "updated_at": s.cfg.Clock.Now().UTC().Format(time.RFC3339), "is_app_installed": true,
	})
}

func (s *Store) serveIdentity(w http.ResponseWriter, r *http.Request) {
	u, ok := s.caller(w, r)
	if !ok {
		return
	}
	org, orgErr := salesforce.ParseID(r.PathValue("org"))
	user, userErr := salesforce.ParseID(r.PathValue("user"))
	if orgErr != nil || userErr != nil || org != s.cfg.OrgID || user != u.ID {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("Bad_Id")) // the client may be gone
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id": s.identityURL(u.ID), "asserted_user": true, "user_id": u.ID, "organization_id": s.cfg.OrgID,
		"username": u.Username, "nick_name": nickname(u), "display_name": u.FullName(),
		"email": u.Email, "email_verified": true, "first_name": u.FirstName, "last_name": u.LastName,
		"timezone": "America/Los_Angeles", "photos": s.photos(), "addr_street": nil, "addr_city": nil, "addr_state": nil,
		"addr_country": nil, "addr_zip": nil, "mobile_phone": nil, "mobile_phone_verified": false, "is_lightning_login_user": false,
		"status": map[string]any{"created_date": nil, "body": nil}, "urls": s.urls(u.ID), "active": !u.Inactive,
		"user_type": "STANDARD", "language": "en_US", "locale": "en_US", "utcOffset": -28800000,
		"last_modified_date": s.cfg.Clock.Now().UTC().Format(time.RFC3339), "is_app_installed": true,
	})
}

func nickname(u *User) string {
	name, _, _ := strings.Cut(u.Username, "@")
	return name
}

func (s *Store) serveRevoke(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if !s.Revoke(r.FormValue("token")) {
		writeRefusal(w, refuse("unsupported_token_type", "this token type is not supported"))
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (s *Store) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		writeRefusal(w, refuse("invalid_request", "malformed request"))
		return
	}
	if _, refusal := s.client(r, true); refusal != nil {
		writeRefusal(w, refusal)
		return
	}
	writeJSON(w, http.StatusOK, s.describeToken(r.Form.Get("token")))
}

// describeToken does not prolong the session.
func (s *Store) describeToken(token string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.liveLocked(token); ok {
		u, _ := s.userByID(l.UserID)
		return map[string]any{
			"active": true, "scope": l.scope, "client_id": l.App, "username": u.Username, "sub": s.identityURL(u.ID),
			"token_type": "access_token", "exp": l.Expires.Unix(), "iat": l.Issued.Unix(), "nbf": l.Issued.Unix(),
		}
	}
	if g, ok := s.refresh[hash(token)]; ok {
		return map[string]any{
			"active": true, "scope": g.scope, "client_id": g.app.ClientID, "username": g.user.Username,
			"sub": s.identityURL(g.user.ID), "token_type": "refresh_token",
		}
	}
	return map[string]any{"active": false}
}

func (s *Store) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	oauth := s.cfg.InstanceURL + "/services/oauth2"
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": s.cfg.InstanceURL, "authorization_endpoint": oauth + "/authorize", "token_endpoint": oauth + "/token",
		"revocation_endpoint": oauth + "/revoke", "userinfo_endpoint": oauth + "/userinfo",
		"introspection_endpoint": oauth + "/introspect", "scopes_supported": []string{"api", "refresh_token", "offline_access"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
		"grant_types_supported":                 []string{grantCode, grantRefreshToken, grantClientCredentials, grantPassword, grantJWTBearer},
		"display_values_supported":              []string{"page", "popup", "touch"},
	})
}
