// An aggregate in Go's standard library, which stands in for KrakenD where there is none: every part is decoded, merged and encoded
// again, as KrakenD does it with `json` on both sides, without its router and its pipes.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

type reply struct {
	name  string
	value any
	err   error
}

// Connections are kept as long as the load is: the stock transport keeps two for each host.
var client = &http.Client{
	Timeout:   5 * time.Second,
	Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute, DisableCompression: true},
}

func fetch(url string) (any, error) {
	response, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("upstream said %d", response.StatusCode)
	}
	var value any
	err = json.NewDecoder(response.Body).Decode(&value)
	return value, err
}

func aggregate(parts map[string]string, id string) (map[string]any, error) {
	replies := make(chan reply, len(parts))
	for name, url := range parts {
		go func(name, url string) {
			value, err := fetch(url + id)
			replies <- reply{name, value, err}
		}(name, url)
	}
	merged := make(map[string]any, len(parts))
	for range parts {
		part := <-replies
		if part.err != nil {
			return nil, part.err
		}
		merged[part.name] = part.value
	}
	return merged, nil
}

func main() {
	var parts map[string]string
	if err := json.Unmarshal([]byte(os.Getenv("PARTS")), &parts); err != nil {
		log.Fatal(err)
	}
	route := os.Getenv("ROUTE")
	http.HandleFunc(route, func(writer http.ResponseWriter, request *http.Request) {
		merged, err := aggregate(parts, strings.TrimPrefix(request.URL.Path, route))
		if err != nil {
			http.Error(writer, err.Error(), http.StatusBadGateway)
			return
		}
		body, err := json.Marshal(merged)
		if err != nil {
			http.Error(writer, err.Error(), http.StatusInternalServerError)
			return
		}
		writer.Header().Set("Content-Type", "application/json")
		writer.Header().Set("Content-Length", fmt.Sprint(len(body)))
		writer.Write(body)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
