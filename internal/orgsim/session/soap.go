package session

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// lastSOAPLogin is the last API version whose SOAP API has login().
const lastSOAPLogin = 64

// soapRequest is what the two operations send; the operation's element decides.
type soapRequest struct {
	Body struct {
		Login *struct {
			Username string `xml:"username"`
			Password string `xml:"password"`
		} `xml:"login"`
		Logout *struct{} `xml:"logout"`
	} `xml:"Body"`
	Header struct {
		SessionID string `xml:"SessionHeader>sessionId"`
	} `xml:"Header"`
}

// soapFault is a SOAP API failure.
type soapFault struct{ kind, code, message string }

const invalidLogin = "Invalid username, password, security token; or user locked out."

func (s *Store) serveSOAP(w http.ResponseWriter, r *http.Request) {
	request, err := readSOAP(http.MaxBytesReader(w, r.Body, maxForm))
	switch {
	case err != nil:
		writeFault(w, soapFault{"UnexpectedErrorFault", "UNKNOWN_EXCEPTION", "malformed request"})
	case request.Body.Logout != nil:
		s.serveSOAPLogout(w, request)
	case request.Body.Login == nil:
		writeFault(w, soapFault{"UnexpectedErrorFault", "INVALID_OPERATION", "this operation is not simulated"})
	default:
		u, fault := s.soapLogin(r.PathValue("version"), request.Body.Login.Username, request.Body.Login.Password)
		if fault != nil {
			writeFault(w, *fault)
			return
		}
		session := s.open(u, nil, "api", digest{})
		writeEnvelope(w, http.StatusOK, s.loginResponse(r, u, session))
	}
}

func readSOAP(body io.Reader) (*soapRequest, error) {
	request := &soapRequest{}
	if err := xml.NewDecoder(body).Decode(request); err != nil {
		return nil, fmt.Errorf("read envelope: %w", err)
	}
	if request.Body.Login == nil && request.Body.Logout == nil {
		return request, nil
	}
	if request.Body.Login != nil && request.Body.Login.Username == "" {
		return nil, errors.New("login without a username")
	}
	return request, nil
}

func (s *Store) soapLogin(version, username, password string) (*User, *soapFault) {
	if major, err := strconv.ParseFloat(version, 64); err != nil || major > lastSOAPLogin {
		return nil, &soapFault{"LoginFault", "UNSUPPORTED_API_VERSION", "login() is not available in this API version; use OAuth"}
	}
	u, ok := s.user(username)
	switch {
	case !ok, u.Inactive:
		return nil, &soapFault{"LoginFault", "INVALID_LOGIN", invalidLogin}
	case u.passwordIs(password):
		return u, nil
	case u.SecurityToken != "" && sameSecret(u.Password, password):
		return nil, &soapFault{
			"LoginFault", "LOGIN_MUST_USE_SECURITY_TOKEN",
			"Invalid username, password, security token; or user locked out. Are you at a new location? When accessing Salesforce--either via " +
				"a desktop client or the API--from outside of your company's trusted networks, you must add a security token to your password to log in.",
		}
	default:
		return nil, &soapFault{"LoginFault", "INVALID_LOGIN", invalidLogin}
	}
}

func (s *Store) serveSOAPLogout(w http.ResponseWriter, request *soapRequest) {
	if !s.Revoke(request.Header.SessionID) {
		writeFault(w, soapFault{
			"UnexpectedErrorFault", "INVALID_SESSION_ID",
			"Invalid Session ID found in SessionHeader: Illegal Session",
		})
		return
	}
	writeEnvelope(w, http.StatusOK, `<logoutResponse xmlns="urn:partner.soap.sforce.com"/>`)
}

// loginResponse has its elements in the platform's order: old clients read them
// by position (the org id is the ninth child of userInfo).
func (s *Store) loginResponse(r *http.Request, u *User, session Session) string {
	service := s.cfg.InstanceURL + "/services/Soap/" + r.PathValue("api") + "/" + r.PathValue("version") + "/" + s.cfg.OrgID.Short()
	info := elements(
		"accessibilityMode", "false", "chatterExternal", "false", "currencySymbol", "$",
		"orgAttachmentFileSizeLimit", "5242880", "orgDefaultCurrencyIsoCode", "USD", "orgDefaultCurrencyLocale", "en_US",
		"orgDisallowHtmlAttachments", "false", "orgHasPersonAccounts", "false", "organizationId", string(s.cfg.OrgID),
		"organizationMultiCurrency", "false", "organizationName", s.cfg.OrgName, "profileId", string(ProfileID),
		"roleId", "", "sessionSecondsValid", strconv.Itoa(int(s.cfg.Lifetime.Seconds())), "userDefaultCurrencyIsoCode", "",
		"userEmail", u.Email, "userFullName", u.FullName(), "userId", string(u.ID), "userLanguage", "en_US",
		"userLocale", "en_US", "userName", u.Username, "userTimeZone", "America/Los_Angeles", "userType", "Standard", "userUiSkin", "Theme3",
	)
	result := elements(
		"metadataServerUrl", strings.Replace(service, "/Soap/"+r.PathValue("api")+"/", "/Soap/m/", 1),
		"passwordExpired", "false", "sandbox", "false", "serverUrl", service, "sessionId", session.Token, "userId", string(u.ID),
	) + "<userInfo>" + info + "</userInfo>"
	return `<loginResponse xmlns="urn:partner.soap.sforce.com"><result>` + result + `</result></loginResponse>`
}

// elements writes name, text, name, text, … as elements; an empty text is nil.
func elements(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			b.WriteString("<" + pairs[i] + ` xsi:nil="true"/>`)
			continue
		}
		b.WriteString("<" + pairs[i] + ">" + escape(pairs[i+1]) + "</" + pairs[i] + ">")
	}
	return b.String()
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder never fails
	return b.String()
}

func writeFault(w http.ResponseWriter, f soapFault) {
	detail := elements("sf:exceptionCode", f.code, "sf:exceptionMessage", f.message)
	writeEnvelope(w, http.StatusInternalServerError, "<soapenv:Fault>"+
		elements("faultcode", "sf:"+f.code, "faultstring", f.code+": "+f.message)+
		"<detail><sf:"+f.kind+` xsi:type="sf:`+f.kind+`">`+detail+"</sf:"+f.kind+"></detail></soapenv:Fault>")
}

func writeEnvelope(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope `+
		`xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com" `+
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`+body+
		`</soapenv:Body></soapenv:Envelope>`) // the client may be gone
}
