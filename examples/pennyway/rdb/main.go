// Command rdb is the first process of pennyway's database container, which is
// made of a Linux distribution's MariaDB package. It does what the usual image's
// entry point does: an empty data folder gets the system tables, then it gives
// way to mariadbd, which makes database and user at every start.
//
//	rdb OPTION…  prepare and become mariadbd with those options
//	rdb check    exit status 0 if the database takes connections
//
//	MARIADB_DATABASE, MARIADB_USER, MARIADB_PASSWORD
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	server   = "/usr/sbin/mariadbd"
	share    = "/usr/share/mysql"
	data     = "/var/lib/mysql"
	initFile = "/run/mysqld/init.sql"
	account  = 101 // mysql, in the image's /etc/passwd
)

// systemTables are the files that mariadb-install-db feeds to the server.
var systemTables = []string{"mysql_system_tables.sql", "mysql_system_tables_data.sql", "mysql_performance_tables.sql"}

func main() {
	do := start
	if len(os.Args) == 2 && os.Args[1] == "check" {
		do = check
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "rdb:", err)
		os.Exit(1)
	}
}

// check reads the first byte of the server's greeting. The server listens when
// the init file is done.
func check() error {
	conn, err := net.DialTimeout("tcp", "127.0.0.1:3306", time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

func start() error {
	if err := prepare(); err != nil {
		return err
	}
	args := append([]string{
		"mariadbd", "--no-defaults", "--user=mysql", "--datadir=" + data, "--init-file=" + initFile,
		"--socket=/run/mysqld/mysqld.sock", "--pid-file=/run/mysqld/mysqld.pid", "--bind-address=0.0.0.0", "--skip-name-resolve",
	}, os.Args[1:]...)
	return fmt.Errorf("start %s: %w", server, syscall.Exec(server, args, os.Environ()))
}

func prepare() error {
	if err := os.MkdirAll(filepath.Dir(initFile), 0o755); err != nil {
		return err
	}
	if err := os.Chown(filepath.Dir(initFile), account, account); err != nil {
		return err
	}
	sql, err := accounts(os.Getenv)
	if err != nil {
		return err
	}
	if err := os.WriteFile(initFile, []byte(sql), 0o644); err != nil {
		return err
	}
	if err := os.Chown(data, account, account); err != nil {
		return err
	}
	return install()
}

// accounts is the init file: what it makes may be there already.
func accounts(get func(string) string) (string, error) {
	database, user, password := get("MARIADB_DATABASE"), get("MARIADB_USER"), get("MARIADB_PASSWORD")
	if database == "" || user == "" || password == "" {
		return "", errors.New("MARIADB_DATABASE, MARIADB_USER and MARIADB_PASSWORD must be set")
	}
	for _, text := range []string{database, user, password} {
		if strings.ContainsAny(text, "'`\\\n") {
			return "", errors.New("database, user and password must not contain quotes, backslashes or line ends")
		}
	}
	return fmt.Sprintf("CREATE DATABASE IF NOT EXISTS `%s`;\nCREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY '%s';\n"+
		"ALTER USER '%s'@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON `%s`.* TO '%s'@'%%';\n",
		database, user, password, user, password, database, user), nil
}

// install makes the system tables. A first start that was cut off begins anew:
// the mark is the last thing it writes.
func install() error {
	mark := filepath.Join(data, "installed")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	readers := []io.Reader{strings.NewReader("create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n")}
	for _, name := range systemTables {
		text, err := os.ReadFile(filepath.Join(share, name))
		if err != nil {
			return err
		}
		readers = append(readers, strings.NewReader(string(text)))
	}
	bootstrap := exec.Command(server, "--no-defaults", "--bootstrap", "--user=mysql", "--datadir="+data, "--log-warnings=0",
		"--enforce-storage-engine=", "--loose-innodb_buffer_pool_dump_at_shutdown=0")
	bootstrap.Stdin = io.MultiReader(readers...)
	bootstrap.Stdout, bootstrap.Stderr = os.Stdout, os.Stderr
	if err := bootstrap.Run(); err != nil {
		return fmt.Errorf("make the system tables: %w", err)
	}
	return os.WriteFile(mark, nil, 0o644)
}
