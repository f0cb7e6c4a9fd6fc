package session_test

import (
	"encoding/xml"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

func soap(t *testing.T, s *session.Store, version, body string) answer {
	t.Helper()
	return call(t, s, http.MethodPost, "/services/Soap/u/"+version, body, "Content-Type", "text/xml; charset=UTF-8", "SOAPAction", `""`)
}

func loginBody(user, password string) string {
	return `<?xml version="1.0" encoding="utf-8"?><se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Header/><se:Body>` +
		`<n1:login xmlns:n1="urn:partner.soap.sforce.com"><n1:username>` + user + `</n1:username><n1:password>` + password + `</n1:password></n1:login></se:Body></se:Envelope>`
}

type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

func TestSOAPLogin_ElementsInOrder(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	a := soap(t, s, "50.0", loginBody("ada@sim.example", "p&amp;wTOK"))
	var envelope element
	if err := xml.Unmarshal([]byte(a.body), &envelope); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	result := envelope.Children[0].Children[0].Children[0]
	want := []string{"metadataServerUrl", "passwordExpired", "sandbox", "serverUrl", "sessionId", "userId", "userInfo"}
	for i, name := range want {
		if result.Children[i].XMLName.Local != name {
			t.Fatalf("child %d is %s, want %s", i, result.Children[i].XMLName.Local, name)
		}
	}
	if got := result.Children[3].Text; got != instance+"/services/Soap/u/50.0/00D5e000000AbCd" {
		t.Errorf("serverUrl = %s", got)
	}
	if _, ok := s.Authenticate(result.Children[4].Text); !ok {
		t.Error("the session id is not valid as a token")
	}
	if got := result.Children[6].Children[8]; got.XMLName.Local != "organizationId" || got.Text != orgID {
		t.Errorf("ninth child of userInfo is %s %s", got.XMLName.Local, got.Text)
	}
	if got := result.Children[6].Children[10]; got.Text != "Acme & Söhne" {
		t.Errorf("organizationName = %q", got.Text)
	}
}

func TestSOAPLogin_Faults(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	for name, c := range map[string]struct{ version, body, code, text string }{
		"bad password":      {"64.0", loginBody(username, "nope"), "INVALID_LOGIN", "Invalid username, password, security token; or user locked out."},
		"unknown user":      {"64.0", loginBody("x@y", "nope"), "INVALID_LOGIN", "Invalid username, password, security token; or user locked out."},
		"no security token": {"64.0", loginBody(username, "p&amp;w"), "LOGIN_MUST_USE_SECURITY_TOKEN", "security token"},
		"no login any more": {"65.0", loginBody(username, "p&amp;wTOK"), "UNSUPPORTED_API_VERSION", "login()"},
		"other operation":   {"64.0", strings.ReplaceAll(loginBody("a", "b"), "login", "describeGlobal"), "INVALID_OPERATION", ""},
		"no XML":            {"64.0", "hello", "UNKNOWN_EXCEPTION", ""},
	} {
		a := soap(t, s, c.version, c.body)
		if a.status != http.StatusInternalServerError || !strings.Contains(a.body, "<sf:exceptionCode>"+c.code+"</sf:exceptionCode>") ||
			!strings.Contains(a.body, "<faultcode>sf:"+c.code+"</faultcode>") || !strings.Contains(a.body, c.text) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestSOAPLogout_EndsTheSession(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	login, err := s.Login(username)
	if err != nil {
		t.Fatal(err)
	}
	body := `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header><SessionHeader xmlns="urn:partner.soap.sforce.com"><sessionId>` +
		login.Token + `</sessionId></SessionHeader></e:Header><e:Body><logout xmlns="urn:partner.soap.sforce.com"/></e:Body></e:Envelope>`
	for _, want := range []int{http.StatusOK, http.StatusInternalServerError} {
		if a := soap(t, s, "50.0", body); a.status != want {
			t.Errorf("logout: %d %s, want %d", a.status, a.body, want)
		}
	}
	if _, ok := s.Authenticate(login.Token); ok {
		t.Error("the session survived")
	}
}

// FuzzSOAP sends arbitrary envelopes: the endpoint answers with a fault, whatever
// comes, unless a right password is in it.
func FuzzSOAP(f *testing.F) {
	f.Add(loginBody("a", "b"))
	f.Add("<Envelope><Body><login><username>x</username></login></Body></Envelope>")
	f.Add("<Envelope><Header><SessionHeader><sessionId>x</sessionId></SessionHeader></Header><Body><logout/></Body></Envelope>")
	f.Add("<a>&b;</a>")
	f.Fuzz(func(t *testing.T, body string) {
		s, _ := newStore(t)
		a := soap(t, s, "50.0", body)
		var envelope element
		if err := xml.Unmarshal([]byte(a.body), &envelope); err != nil || a.status != http.StatusInternalServerError {
			t.Errorf("%q gave %d %s: %v", body, a.status, a.body, err)
		}
	})
}
