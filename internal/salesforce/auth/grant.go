package auth

import (
	"crypto/rsa"
	"fmt"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// assertionLife is how long a JWT assertion stays valid: Salesforce allows
// about three minutes from its own clock, and other clients use two to three.
const assertionLife = 3 * time.Minute

// grant builds the form of one login. It is used by one login at a time.
type grant struct {
	cfg     Config
	key     *rsa.PrivateKey // JWT bearer only
	refresh secret.String   // refresh token only; changes where the app rotates
	now     func() time.Time
}

func newGrant(cfg Config) (*grant, error) {
	g := &grant{cfg: cfg, refresh: cfg.RefreshToken, now: time.Now}
	if cfg.Flow != JWTBearer {
		return g, nil
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(cfg.PrivateKey.Reveal()))
	if err != nil {
		// The parser's text is dropped: it could quote the key.
		return nil, fmt.Errorf("read private key: want an RSA key in PEM (PKCS#1 or PKCS#8)")
	}
	g.key = key
	return g, nil
}

func (g *grant) form() (url.Values, error) {
	form := url.Values{}
	switch g.cfg.Flow {
	case JWTBearer:
		assertion, err := g.assertion()
		if err != nil {
			return nil, err
		}
		form.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		form.Set("assertion", assertion)
		return form, nil
	case RefreshToken:
		form.Set("refresh_token", g.refresh.Reveal())
	case Password:
		form.Set("username", g.cfg.Username)
		form.Set("password", g.cfg.Password.Reveal())
	case ClientCredentials:
	}
	form.Set("grant_type", string(g.cfg.Flow))
	form.Set("client_id", g.cfg.ClientID)
	if !g.cfg.ClientSecret.IsZero() {
		form.Set("client_secret", g.cfg.ClientSecret.Reveal())
	}
	return form, nil
}

func (g *grant) assertion() (string, error) {
	// MapClaims writes aud as a string, as Salesforce documents it; the library's
	// registered claims would write a list.
	claims := jwt.MapClaims{
		"iss": g.cfg.ClientID,
		"sub": g.cfg.Username,
		"aud": g.cfg.Audience,
		"exp": g.now().Add(assertionLife).Unix(),
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(g.key)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return signed, nil
}

// rotated keeps a new refresh token.
func (g *grant) rotated(refresh string) {
	if g.cfg.Flow != RefreshToken || refresh == "" || g.refresh.Equal(refresh) {
		return
	}
	g.refresh = secret.New(refresh)
	if g.cfg.RotatedFunc != nil {
		g.cfg.RotatedFunc(g.refresh)
	}
}
