// Runs the suite with go-sql-driver/mysql and prints whatever it gets.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"
)

var (
	host, port, password, data string
	background                 = context.Background()
	writes                     = regexp.MustCompile(`(?i)^(INSERT|UPDATE|DELETE|REPLACE)\b`)
)

// One connection, with the pool of one that it comes from.
type connection struct {
	pool *sql.DB
	conn *sql.Conn
}

func connect(user string) (*connection, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr, config.DBName = user, password, "tcp", host+":"+port, "compat"
	config.MultiStatements, config.AllowAllFiles = true, true
	config.Params = map[string]string{"charset": "utf8mb4"}
	if len(os.Args) > 6 {
		config.TLSConfig = "verified"
	}
	pool, err := sql.Open("mysql", config.FormatDSN())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(background)
	if err != nil {
		return nil, err
	}
	_, err = conn.ExecContext(background, "SET @quorate_causal_reads = 'global'")
	return &connection{pool, conn}, err
}

func show(on *connection, text string, args []any) error {
	if writes.MatchString(text) && !strings.Contains(text, "RETURNING") {
		result, err := on.conn.ExecContext(background, text, args...)
		if err != nil {
			return err
		}
		affected, _ := result.RowsAffected()
		id, _ := result.LastInsertId()
		fmt.Println("  end", affected, id)
		return nil
	}
	rows, err := on.conn.QueryContext(background, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		types, err := rows.ColumnTypes()
		if err != nil {
			return err
		}
		values, into := make([]sql.RawBytes, len(types)), make([]any, len(types))
		for nth, it := range types {
			precision, scale, _ := it.DecimalSize()
			nullable, _ := it.Nullable()
			fmt.Printf("  column %q %s %v %d %d\n", it.Name(), it.DatabaseTypeName(), nullable, precision, scale)
			into[nth] = &values[nth]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			fmt.Printf("  row %q\n", values)
		}
		if !rows.NextResultSet() {
			return rows.Err()
		}
	}
}

func step(connections map[string]*connection, name, mark, rest string) (err error) {
	on := connections[name]
	if on == nil {
		if on, err = connect("compat"); err != nil {
			return err
		}
		connections[name] = on
	}
	verb, what, _ := strings.Cut(rest, " ")
	switch {
	case mark == ":":
		return show(on, rest, nil)
	case mark == "?":
		end := strings.Index(rest, "] ") + 1
		var args []any
		if err := json.Unmarshal([]byte(rest[:end]), &args); err != nil {
			return err
		}
		return show(on, rest[end+1:], args)
	case verb == "use":
		return show(on, "USE "+what, nil)
	case verb == "infile":
		return show(on, strings.Replace(what, "FILE INTO", "'"+data+"' INTO", 1), nil)
	}
	on.pool.Close()
	delete(connections, name)
	if verb == "close" {
		return nil
	}
	// What this client cannot do is done by a new connection.
	if what == "" {
		what = "compat"
	}
	on, err = connect(what)
	if err == nil {
		connections[name] = on
	}
	return err
}

func verify(ca string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("no certificate in %s", ca)
	}
	return mysql.RegisterTLSConfig("verified", &tls.Config{RootCAs: roots, ServerName: host})
}

func main() {
	host, port, password, data = os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	// The authority whose certificate the server must have; without it there is no TLS.
	if len(os.Args) > 6 {
		if err := verify(os.Args[6]); err != nil {
			panic(err)
		}
	}
	suite, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	parts := regexp.MustCompile(`^(\w+)([:?!]) (.*)`)
	connections := map[string]*connection{}
	for lines := bufio.NewScanner(suite); lines.Scan(); {
		it := parts.FindStringSubmatch(lines.Text())
		if it == nil {
			continue
		}
		fmt.Println(lines.Text())
		if err := step(connections, it[1], it[2], it[3]); err != nil {
			fmt.Println("  error", err)
		}
	}
}
