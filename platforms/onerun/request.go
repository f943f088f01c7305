package onerun

import (
	"context"
	"fmt"
	"net/url"

	"github.com/parley-run/parley/platforms/internal/rest"
)

// words are what OneRun and its settings are called.
func words() rest.Words {
	return rest.Words{
		Platform: "onerun", Service: "OneRun", API: "OneRun's API", Place: "the API",
		Setting: "base_url", Variable: "ONERUN_API_BASE_URL", Example: "http://localhost:3001",
		Key: "check api_key, or ONERUN_API_KEY, against the server's AUTH_API_KEY",
	}
}

func (c *Client) call(ctx context.Context, r rest.Request, out any) error {
	_, err := c.api.Call(ctx, r, out)
	return err
}

// pageRemedy helps those who took the web app for the API.
func pageRemedy(base *url.URL) string {
	if base.Port() == "3000" {
		api := *base
		api.Host = base.Hostname() + ":3001"
		return fmt.Sprintf("port 3000 is OneRun's web app: set base_url to the API, usually %s", &api)
	}
	return fmt.Sprintf("%s may be OneRun's web app or a proxy's page: set base_url to the API, in the stock set-up port 3001", base)
}
