import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/**
 * Posts each of the bodies to a URL, of a Host, with the client of Java's library as it comes, and prints the
 * answers. A program may name the Host only with -Djdk.httpclient.allowRestrictedHeaders=host
 */
class Posts {
  public static void main(String[] args) throws Exception {
    var client = HttpClient.newHttpClient();
    for (int i = 2; i < args.length; i++) {
      var request = HttpRequest.newBuilder(URI.create(args[0])).header("Host", args[1]);
      var answer = client.send(request.POST(BodyPublishers.ofString(args[i])).build(), BodyHandlers.ofString());
      System.out.println(answer.statusCode() + " " + answer.version() + " " + answer.body());
    }
  }
}
