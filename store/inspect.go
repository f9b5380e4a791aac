package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// Layout of bbolt's file, format version 2, in the machine's byte order: pages
// with a header of 16 bytes; pages 0 and 1 are meta pages.
const (
	pageHeader   = 16 // id uint64, flags uint16, count uint16, overflow uint32
	elementSize  = 16 // branch: pos, ksize uint32, page uint64; leaf: flags, pos, ksize, vsize uint32
	bucketHeader = 16 // root page uint64 (0: the bucket's page follows inline), sequence uint64
	metaSum      = 56 // offset of the checksum in a meta record
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	noFreelist   = ^uint64(0)
	minPage      = 1 << 10
	maxPage      = 1 << 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of a leaf element
)

var order = binary.NativeEndian

// inspector follows every page of a bbolt file that can be reached, each once,
// and reports what bbolt would panic, loop or write over data on. It reads the
// file, not a memory map: it cannot fault.
type inspector struct {
	file     io.ReaderAt
	pageSize uint64
	pages    uint64          // pages in use, free ones included
	used     map[uint64]bool // reached so far
}

// inspectFile returns a DamagedError if the file at path is not a sound bbolt
// file.
func inspectFile(path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("inspect store: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("inspect store: %w", err)
	}
	return located(path, inspect(file, uint64(info.Size())))
}

func inspect(file io.ReaderAt, size uint64) error {
	if size == 0 {
		return damagedf("it is empty")
	}
	m, err := newestMeta(file)
	if err != nil {
		return err
	}
	if m.pages > size/m.pageSize {
		return damagedf("it ends at %d bytes and should have %d", size, m.pages*m.pageSize)
	}
	in := &inspector{file: file, pageSize: m.pageSize, pages: m.pages, used: map[uint64]bool{0: true, 1: true}}
	if err := in.tree(m.root, span{}, 0); err != nil {
		return err
	}
	return in.freelist(m.freelist)
}

// meta is what one of the two meta pages says.
type meta struct {
	pageSize, root, freelist, pages, txid uint64
}

// newestMeta returns the sound meta page with the higher transaction id. One may
// be unsound: a process that was killed while writing it leaves that.
func newestMeta(file io.ReaderAt) (meta, error) {
	newest, found := readMeta(file, 0)
	for at := int64(minPage); at <= maxPage; at *= 2 {
		if m, ok := readMeta(file, at); ok && m.pageSize == uint64(at) && (!found || m.txid > newest.txid) {
			newest, found = m, true
		}
	}
	if !found {
		return meta{}, damagedf("neither meta page is sound")
	}
	return newest, nil
}

// readMeta reads the meta page at offset at; ok is false if it is not sound.
func readMeta(file io.ReaderAt, at int64) (m meta, ok bool) {
	var page [pageHeader + metaSum + 8]byte
	if _, err := file.ReadAt(page[:], at); err != nil {
		return meta{}, false
	}
	b := page[pageHeader:]
	h := fnv.New64a()
	_, _ = h.Write(b[:metaSum]) // a hash never fails
	if order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion || order.Uint64(b[metaSum:]) != h.Sum64() {
		return meta{}, false
	}
	m = meta{
		pageSize: uint64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]), // the root bucket's sequence follows
		freelist: order.Uint64(b[32:]),
		pages:    order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}
	return m, m.pageSize >= minPage && m.pageSize <= maxPage && m.pages >= 4
}

// page is one page with its overflow pages.
type page struct {
	id    uint64
	flags uint16
	count uint64
	data  []byte // all of it, header included
}

// read reads page id, which must not have been reached before.
func (in *inspector) read(id uint64) (page, error) {
	if id < 2 || id >= in.pages {
		return page{}, damagedf("page %d is outside the file", id)
	}
	head := make([]byte, pageHeader)
	if _, err := in.file.ReadAt(head, int64(id*in.pageSize)); err != nil {
		return page{}, fmt.Errorf("read page %d: %w", id, err)
	}
	p := page{id: id, flags: order.Uint16(head[8:]), count: uint64(order.Uint16(head[10:]))}
	overflow := uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != id || overflow >= in.pages-id {
		return page{}, damagedf("page %d is not a page", id)
	}
	for n := id; n <= id+overflow; n++ {
		if in.used[n] {
			return page{}, damagedf("page %d is in use twice", n)
		}
		in.used[n] = true
	}
	p.data = make([]byte, (overflow+1)*in.pageSize)
	if _, err := in.file.ReadAt(p.data, int64(id*in.pageSize)); err != nil {
		return page{}, fmt.Errorf("read page %d: %w", id, err)
	}
	return p, nil
}

// span is the range of keys a page may have: from, and below to. nil is open.
type span struct{ from, to []byte }

func (s span) has(key []byte) bool {
	return bytes.Compare(s.from, key) <= 0 && (s.to == nil || bytes.Compare(key, s.to) < 0)
}

// maxDepth guards the stack: a tree of a hundred levels does not fit on any disk.
const maxDepth = 100

// tree follows the B+ tree below page id.
func (in *inspector) tree(id uint64, keys span, depth int) error {
	p, err := in.read(id)
	if err != nil {
		return err
	}
	return in.elements(p, keys, depth)
}

// elements checks the elements of a branch or leaf page and follows them.
func (in *inspector) elements(p page, keys span, depth int) error {
	if p.flags != flagBranch && p.flags != flagLeaf {
		return damagedf("page %d is neither branch nor leaf", p.id)
	}
	if p.flags == flagBranch && p.count == 0 {
		return damagedf("branch page %d is empty", p.id)
	}
	if pageHeader+p.count*elementSize > uint64(len(p.data)) {
		return damagedf("page %d has more elements than room", p.id)
	}
	if depth > maxDepth {
		return damagedf("page %d is nested too deep", p.id)
	}
	all, err := p.keys()
	if err != nil {
		return err
	}
	for i, key := range all {
		below := keys.to
		if i+1 < len(all) {
			below = all[i+1]
		}
		if !keys.has(key) || below != nil && bytes.Compare(key, below) >= 0 {
			return damagedf("keys of page %d are out of order", p.id)
		}
		if err := in.follow(p, uint64(i), span{key, below}, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// keys returns the key of every element.
func (p page) keys() ([][]byte, error) {
	out := make([][]byte, p.count)
	for i := range p.count {
		at := pageHeader + i*elementSize
		e := p.data[at : at+elementSize]
		if p.flags == flagLeaf {
			e = e[4:] // pos and ksize stand behind the flags
		}
		key, ok := slice(p.data, at+uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])))
		if !ok {
			return nil, damagedf("a key of page %d is outside it", p.id)
		}
		out[i] = key
	}
	return out, nil
}

// follow follows element i of p: to the page of a branch, into a bucket.
func (in *inspector) follow(p page, i uint64, keys span, depth int) error {
	at := pageHeader + i*elementSize
	e := p.data[at : at+elementSize]
	if p.flags == flagBranch {
		return in.tree(order.Uint64(e[8:]), keys, depth)
	}
	pos, ksize, vsize := at+uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
	value, ok := slice(p.data, pos+ksize, vsize)
	if !ok {
		return damagedf("a value of page %d is outside it", p.id)
	}
	if order.Uint32(e)&flagBucket == 0 {
		return nil
	}
	return in.bucket(p.id, value, depth)
}

// bucket follows a bucket whose header, and page if it is inline, is value.
func (in *inspector) bucket(id uint64, value []byte, depth int) error {
	if len(value) < bucketHeader {
		return damagedf("a bucket of page %d is cut off", id)
	}
	if root := order.Uint64(value); root != 0 {
		return in.tree(root, span{}, depth)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader {
		return damagedf("a bucket of page %d is cut off", id)
	}
	p := page{id: id, flags: order.Uint16(inline[8:]), count: uint64(order.Uint16(inline[10:])), data: inline}
	if p.flags != flagLeaf {
		return damagedf("a bucket of page %d is not a leaf", id)
	}
	return in.elements(p, span{}, depth)
}

// freelist checks that no page in use is listed as free: bbolt would write over
// it.
func (in *inspector) freelist(id uint64) error {
	if id == noFreelist {
		return damagedf("it has no list of free pages")
	}
	p, err := in.read(id)
	if err != nil {
		return err
	}
	if p.flags != flagFreelist {
		return damagedf("page %d is not the list of free pages", id)
	}
	ids := p.data[pageHeader:]
	if p.count == 0xFFFF { // the real count is in front
		p.count, ids = order.Uint64(ids), ids[8:]
	}
	if p.count > uint64(len(ids))/8 {
		return damagedf("the list of free pages is cut off")
	}
	for i := range p.count {
		free := order.Uint64(ids[i*8:])
		if free < 2 || free >= in.pages || in.used[free] {
			return damagedf("page %d is listed as free and is not", free)
		}
		in.used[free] = true
	}
	return nil
}

// slice returns length bytes of data from offset from; ok is false if data does
// not have them.
func slice(data []byte, from, length uint64) ([]byte, bool) {
	if from > uint64(len(data)) || length > uint64(len(data))-from {
		return nil, false
	}
	return data[from : from+length], true
}
