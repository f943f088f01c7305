package folder_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/platformtest"

	"example.com/embed/folder"
)

// The platform keeps the contract of platforms.Conversations and platforms.Source.
func TestConformance(t *testing.T) {
	platformtest.RunConversations(t, func(t testing.TB) platformtest.ConversationsFixture {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "desk"), 0o700))
		put := func(id, content string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "desk", id+".json"), []byte(content), 0o600))
		}
		var made atomic.Int32
		return platformtest.ConversationsFixture{
			Platform: folder.New("folder", dir),
			Fresh: func(testing.TB) conversation.Ref {
				id := fmt.Sprintf("c%d", made.Add(1))
				put(id, `{"customer": ["Where is order 1042?", "Thanks."]}`)
				return conversation.Ref{Platform: "folder", Agent: "desk", ID: id}
			},
			Unknown: conversation.Ref{Platform: "folder", Agent: "desk", ID: "none"},
			Agent:   "desk", Limit: 4, TakesKeys: true,
			BadRow: func(testing.TB) { put("half", `{"customer": ["Wh`) },
		}
	})
}

// An id is no way out of the folder.
func TestIDsStayInTheFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "desk"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "outside.json"), []byte(`{"customer": ["Hello."]}`), 0o600))
	err := folder.New("folder", dir).Claim(t.Context(), conversation.Ref{Platform: "folder", Agent: "desk", ID: "../outside"})
	require.Equal(t, conversation.NotFound, conversation.KindOf(err))
}
