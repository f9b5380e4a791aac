package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"teal/spec"
)

// decryptSOPS decrypts with the program, once it is known that one of the
// identities will do: it then has no reason to ask anybody else for a key.
func (k *Keys) decryptSOPS(ctx context.Context, e spec.Encrypted, have []identity) ([]byte, error) {
	block, err := readBlock(e)
	if err != nil {
		return nil, err
	}
	if len(block.age) == 0 {
		return nil, &spec.DecryptError{
			Message: "is encrypted with SOPS for no age key, only for " + strings.Join(block.others, ", ") + ": Teal asks no key service",
			Hint:    "add one: sops rotate -i --add-age age1… FILE",
		}
	}
	if block.split {
		return nil, &spec.DecryptError{
			Message: "is encrypted with SOPS for several key groups, of which one identity is not enough",
			Hint:    "encrypt it for one group",
		}
	}
	if len(have) == 0 {
		return nil, refusal("is encrypted with SOPS, and there is no identity", block.recipients())
	}
	fits, ok := block.fits(have)
	if !ok {
		return nil, &spec.DecryptError{
			Message: fmt.Sprintf("is encrypted with SOPS for %s, and the identities here are %s", strings.Join(block.recipients(), ", "), public(have)),
			Hint:    "name the file with one that fits: --age-identity FILE; or where one fits: sops rotate -i --add-age " + have[0].public + " FILE",
		}
	}
	return k.run(ctx, e, fits)
}

// words of the program for each form.
var inputTypes = map[spec.Encryption]string{
	spec.EncryptedSOPSYAML: "yaml", spec.EncryptedSOPSJSON: "json", spec.EncryptedSOPSDotenv: "dotenv",
	spec.EncryptedSOPSINI: "ini", spec.EncryptedSOPSBinary: "binary",
}

// run has sops decrypt a file with one identity. It gets the file on its standard
// input, the identity as an open file without a name, and none of this process's
// environment but the path. What it writes to its standard error is not told: it
// may hold what it could not read.
func (k *Keys) run(ctx context.Context, e spec.Encrypted, with identity) ([]byte, error) {
	program, err := exec.LookPath(k.opts.Program)
	if err != nil {
		return nil, &spec.DecryptError{
			Message: "is encrypted with SOPS, and there is no program " + k.opts.Program + " on the path of teal", Hint: "install sops 3.9 or newer: https://getsops.io",
		}
	}
	key, err := inMemory(with.text)
	if err != nil {
		return nil, fmt.Errorf("give the identity to sops: %w", err)
	}
	defer func() { _ = key.Close() }() // in memory
	limited, cancel := context.WithTimeout(ctx, k.opts.Limit)
	defer cancel()
	form := inputTypes[e.Form]
	cmd := exec.CommandContext(limited, program, "--decryption-order", "age", "--input-type", form, "--output-type", form, "--decrypt", "/dev/stdin")
	variable := "SOPS_AGE_KEY_FILE"
	if with.ssh {
		variable = "SOPS_AGE_SSH_PRIVATE_KEY_FILE"
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", variable + "=/dev/fd/3"}
	cmd.Dir, cmd.ExtraFiles, cmd.WaitDelay = "/", []*os.File{key}, time.Second
	cmd.Stdin = bytes.NewReader(e.Content)
	out := &bounded{}
	cmd.Stdout = out
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, &spec.DecryptError{Message: fmt.Sprintf("is encrypted with SOPS, and sops took longer than %s", k.opts.Limit), Hint: "try it: " + program + " --decrypt FILE"}
	case out.over:
		return nil, &spec.DecryptError{Message: fmt.Sprintf("is larger than %d MiB once it is decrypted", mostText>>20)}
	case err != nil:
		return nil, failed(program, err)
	}
	return out.kept.Bytes(), nil
}

// failed says what an exit status of sops means.
func failed(program string, err error) error {
	out := &spec.DecryptError{Hint: "see what it says: " + program + " --decrypt FILE"}
	status, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case !ok:
		return fmt.Errorf("run %s: %w", program, err)
	case status.ExitCode() == 51:
		out.Message = "does not fit its MAC: it was changed, and not with sops"
	case status.ExitCode() == 128:
		out.Message = "could not be decrypted by sops with the identity that fits"
	case status.ExitCode() == 1:
		out.Message = "could not be decrypted by sops (exit status 1); Teal needs sops 3.9 or newer"
	default:
		out.Message = "could not be decrypted by sops (" + status.String() + ")"
	}
	return out
}

// inMemory returns an open file that is on no disk. It can be opened again as
// /dev/fd/N by a program that inherits it.
func inMemory(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("identity", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "identity")
	if _, err := f.Write(text); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// bounded keeps what is written to it up to a limit.
type bounded struct {
	kept bytes.Buffer
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.kept.Len()+len(p) > mostText {
		b.over = true
		return 0, io.ErrShortWrite // sops is told, and ends
	}
	return b.kept.Write(p)
}
