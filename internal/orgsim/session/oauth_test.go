package session_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

func TestToken_ClientCredentialsAnswer(t *testing.T) {
	t.Parallel()
	s, c := newStore(t)
	a := token(t, s, "grant_type", "client_credentials", "client_id", "3MVGreg", "client_secret", "s3cret")
	access := wantToken(t, s, a)
	if !regexp.MustCompile(`^00D5e000000AbCd![A-Za-z0-9._]{96}$`).MatchString(access) {
		t.Errorf("access token has another form: %d characters", len(access))
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be stored")
	}
	v := a.json(t)
	issued, isText := v["issued_at"].(string)
	if n, err := strconv.ParseInt(issued, 10, 64); !isText || err != nil || n != c.Now().UnixMilli() {
		t.Errorf("issued_at = %v, want the text of milliseconds", v["issued_at"])
	}
	id := v["id"].(string)
	if id != instance+"/id/"+orgID+"/"+string(s.Users()[0].ID) || v["instance_url"] != instance || v["token_type"] != "Bearer" {
		t.Errorf("answer %s", a.body)
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write([]byte(id + issued))
	if v["signature"] != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		t.Error("the signature does not verify")
	}
	for _, absent := range []string{"expires_in", "refresh_token"} {
		if _, present := v[absent]; present {
			t.Errorf("the answer has %s", absent)
		}
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("3MVGreg:s3cret"))
	wantToken(t, s, call(t, s, http.MethodPost, "/services/oauth2/token", "grant_type=client_credentials",
		"Content-Type", formType, "Authorization", basic))
}

func TestToken_Refusals(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	for name, c := range map[string]struct {
		form              []string
		code, description string
	}{
		"unknown app":    {[]string{"grant_type", "client_credentials", "client_id", "x", "client_secret", "y"}, "invalid_client_id", "client identifier invalid"},
		"bad secret":     {[]string{"grant_type", "client_credentials", "client_id", "3MVGreg", "client_secret", "S3cret"}, "invalid_client", "invalid client credentials"},
		"no secret":      {[]string{"grant_type", "client_credentials", "client_id", "3MVGreg"}, "invalid_client", "invalid client credentials"},
		"no run-as user": {[]string{"grant_type", "client_credentials", "client_id", "3MVGtrust", "client_secret", "other"}, "invalid_grant", "no client credentials user enabled"},
		"bad password":   {[]string{"grant_type", "password", "client_id", "3MVGreg", "client_secret", "s3cret", "username", username, "password", "p&w"}, "invalid_grant", "authentication failure"},
		"inactive user":  {[]string{"grant_type", "password", "client_id", "3MVGreg", "client_secret", "s3cret", "username", "gone@sim.example", "password", "pw"}, "inactive_user", "user is inactive"},
		"bad refresh":    {[]string{"grant_type", "refresh_token", "client_id", "3MVGreg", "refresh_token", "5Aep861"}, "invalid_grant", "expired access/refresh token"},
		"unknown grant":  {[]string{"grant_type", "telepathy"}, "unsupported_grant_type", "grant type not supported"},
		"no assertion":   {[]string{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "invalid_grant", "invalid assertion"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, token(t, s, c.form...), c.code, c.description)
		})
	}
}

func TestToken_PasswordFlow(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	wantToken(t, s, token(t, s, "grant_type", "password", "client_id", "3MVGreg", "client_secret", "s3cret",
		"username", "ada@sim.example", "password", "p&wTOK"))
}

func TestSession_SlidesAndExpires(t *testing.T) {
	t.Parallel()
	s, c := newStore(t)
	first, err := s.Login(username)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // used every 90 minutes, it lives on
		c.Advance(90 * time.Minute)
		if _, ok := s.Authenticate(first.Token); !ok {
			t.Fatal("a session in use expired")
		}
	}
	revoked := s.Revoked(first.Token)
	c.Advance(2 * time.Hour)
	if _, ok := s.Authenticate(first.Token); ok {
		t.Error("a session unused for 2 hours is valid")
	}
	select {
	case <-revoked:
		t.Error("expiry counts as revocation")
	default:
	}
}

func TestRevoke_KillsWhatHangsOnIt(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	refresh, ok := s.NewRefreshToken("3MVGreg", username)
	if !ok {
		t.Fatal("no refresh token")
	}
	grant := []string{"grant_type", "refresh_token", "client_id", "3MVGreg", "refresh_token", refresh}
	a := token(t, s, grant...)
	access := wantToken(t, s, a)
	if _, repeated := a.json(t)["refresh_token"]; repeated {
		t.Error("the refresh token is repeated without rotation")
	}
	revoked := s.Revoked(access)
	if got := call(t, s, http.MethodPost, "/services/oauth2/revoke", url.Values{"token": {refresh}}.Encode(), "Content-Type", formType); got.status != http.StatusOK || got.body != "" {
		t.Errorf("revoke: %d %q", got.status, got.body)
	}
	<-revoked
	if _, ok := s.Authenticate(access); ok {
		t.Error("an access token survived its refresh token")
	}
	wantRefusal(t, token(t, s, grant...), "invalid_grant", "expired access/refresh token")
	if got := call(t, s, http.MethodGet, "/services/oauth2/revoke?token=unknown", ""); got.status != http.StatusBadRequest {
		t.Errorf("revoking an unknown token: %d", got.status)
	}
}

func TestIntrospect(t *testing.T) {
	t.Parallel()
	s, c := newStore(t)
	access := wantToken(t, s, token(t, s, "grant_type", "client_credentials", "client_id", "3MVGreg", "client_secret", "s3cret"))
	ask := func() map[string]any {
		form := url.Values{"token": {access}, "token_type_hint": {"access_token"}, "client_id": {"3MVGreg"}, "client_secret": {"s3cret"}}
		return call(t, s, http.MethodPost, "/services/oauth2/introspect", form.Encode(), "Content-Type", formType).json(t)
	}
	v := ask()
	if v["active"] != true || v["username"] != username || v["client_id"] != "3MVGreg" || v["exp"] != float64(c.Now().Add(2*time.Hour).Unix()) {
		t.Errorf("a live token: %v", v)
	}
	s.RevokeAll()
	if v := ask(); v["active"] != false || len(v) != 1 {
		t.Errorf("a dead token: %v", v)
	}
}

func TestUserinfoAndIdentity(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	login, err := s.Login(username)
	if err != nil {
		t.Fatal(err)
	}
	info := call(t, s, http.MethodGet, "/services/oauth2/userinfo", "", "Authorization", "Bearer "+login.Token).json(t)
	if info["user_id"] != string(login.UserID) || info["organization_id"] != orgID || info["preferred_username"] != username {
		t.Errorf("userinfo: %v", info)
	}
	bad := call(t, s, http.MethodGet, "/services/oauth2/userinfo", "", "Authorization", "Bearer nope")
	if bad.status != http.StatusForbidden || bad.body != "Bad_OAuth_Token" {
		t.Errorf("a bad token: %d %q", bad.status, bad.body)
	}
	path := "/id/" + orgID + "/" + string(login.UserID)
	id := call(t, s, http.MethodGet, path+"?format=json&oauth_token="+url.QueryEscape(login.Token), "").json(t)
	urls, _ := id["urls"].(map[string]any)
	if id["username"] != username || urls["rest"] != instance+"/services/data/v{version}/" {
		t.Errorf("identity: %v", id)
	}
	if got := call(t, s, http.MethodGet, "/id/"+orgID+"/005000000000000AAA", "", "Authorization", "OAuth "+login.Token); got.status != http.StatusForbidden {
		t.Errorf("another user's identity: %d", got.status)
	}
	if got := call(t, s, http.MethodGet, "/.well-known/openid-configuration", "").json(t); got["token_endpoint"] != instance+"/services/oauth2/token" {
		t.Errorf("discovery: %v", got)
	}
}

func TestAuthorizationCode_WithPKCE(t *testing.T) {
	t.Parallel()
	s, c := newStore(t)
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkdBjftJeZ4CVP"
	sum := sha256.Sum256([]byte(verifier))
	code := func() string {
		query := url.Values{
			"response_type": {"code"}, "client_id": {"3MVGreg"}, "redirect_uri": {"https://app.example/cb?x=1"}, "state": {"st"},
			"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "scope": {"api refresh_token"},
		}
		a := call(t, s, http.MethodGet, "/services/oauth2/authorize?"+query.Encode(), "")
		to, err := url.Parse(a.header.Get("Location"))
		if a.status != http.StatusFound || err != nil || to.Host != "app.example" || to.Query().Get("state") != "st" || to.Query().Get("x") != "1" {
			t.Fatalf("authorize: %d to %q", a.status, a.header.Get("Location"))
		}
		return to.Query().Get("code")
	}
	exchange := func(code, verifier string) answer {
		return token(t, s, "grant_type", "authorization_code", "code", code, "client_id", "3MVGreg",
			"redirect_uri", "https://app.example/cb?x=1", "code_verifier", verifier)
	}
	good := code()
	a := exchange(good, verifier)
	wantToken(t, s, a)
	refresh, _ := a.json(t)["refresh_token"].(string)
	wantToken(t, s, token(t, s, "grant_type", "refresh_token", "client_id", "3MVGreg", "refresh_token", refresh))
	wantRefusal(t, exchange(good, verifier), "invalid_grant", "invalid authorization code") // single use
	wantRefusal(t, exchange(code(), "wrong"), "invalid_grant", "invalid code verifier")
	late := code()
	c.Advance(15 * time.Minute)
	wantRefusal(t, exchange(late, verifier), "invalid_grant", "expired authorization code")
}

func TestNew_RefusesBadApps(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]session.Config{
		"no client id":    {Apps: []session.App{{Name: "x"}}},
		"no PEM":          {Apps: []session.App{{ClientID: "x", Certificate: "hello"}}},
		"no username":     {Users: []session.User{{LastName: "x"}}},
		"same user twice": {Users: []session.User{{Username: "a@b"}, {Username: "A@B"}}},
	} {
		if _, err := session.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
