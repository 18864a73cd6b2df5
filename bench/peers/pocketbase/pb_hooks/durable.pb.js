// PocketBase has SQLite sync at checkpoints only. Here an answer means that it is on disk, as it does from the others. It
// writes on one connection, so this holds for all it writes.
onBootstrap((event) => {
  event.next();
  event.app.nonconcurrentDB().newQuery("pragma synchronous = full").execute();
});
